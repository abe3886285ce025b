"""Where the workers of one server find each other: a folder named after the process that has started them."""

import multiprocessing
import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"(?P<prefix>wxiai-otel-\d+)-(?P<pid>\d+)-(?P<start>\d+)")
# A socket's path may be no longer than 104 bytes on some systems.
_MAX_LENGTH = 80
_OURS = 0o700
# The last one can be written where the root of a container cannot.
_USUAL = ("/tmp", "/var/tmp", "/usr/tmp", "/dev/shm")  # noqa: S108 - the folder below it is for this user only


def shared_folder(named: str) -> Path | None:
    """The folder that this process shares with the other workers; ``None`` where it is no worker.

    Parameters:
        named: The setting workers_folder: a folder, ``none``, or empty for what is found.

    Raises:
        OSError: It cannot be made.
    """
    if named == "none":
        return None
    if named:
        folder = Path(named)
    elif is_worker():
        folder = _of_parent(os.getppid())
        _remove_forgotten(folder)
    else:
        return None
    return made(folder)


def made(folder: Path) -> Path:
    """A folder, made where it is not there.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    folder.mkdir(mode=_OURS, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    if found.st_mode & _OURS != _OURS:  # the umask has taken some of it
        folder.chmod(_OURS)
    return folder


def is_worker() -> bool:
    """Whether this process is one of several that serve: of uvicorn and hypercorn, or of gunicorn."""
    if multiprocessing.parent_process() is not None:
        return True
    return os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")


def _of_parent(pid: int) -> Path:
    base = _temporary()
    if len(str(base)) > _MAX_LENGTH:
        base = Path("/tmp")  # noqa: S108 - the folder below it is for this user only
    return base / f"wxiai-otel-{os.getuid()}-{pid}-{_started(pid)}"


def _temporary() -> Path:
    """The temporary folder, also while its disk is full.

    `tempfile` takes another one then: a worker that is started meanwhile would never find those from before.
    """
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    found = (path for path in (*named, *_USUAL) if path and os.access(path, os.W_OK | os.X_OK))
    return Path(next(found, None) or tempfile.gettempdir()).absolute()


def _started(pid: int) -> int:
    """When a process has started, because its number may have been another's; 0 where that is not known."""
    try:
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the name may hold anything, but for a last ")".
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _remove_forgotten(folder: Path) -> None:
    """Remove what servers of this user have left that are no more."""
    ours = _NAME.fullmatch(folder.name)
    for other in folder.parent.glob(f"{ours['prefix']}-*") if ours else ():
        found = _NAME.fullmatch(other.name)
        if found and other != folder and _started(int(found["pid"])) != int(found["start"]):
            shutil.rmtree(other, ignore_errors=True)
