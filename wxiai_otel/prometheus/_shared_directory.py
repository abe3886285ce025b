"""The private directory that the workers of one server share.

Its name contains a digest of a secret that the workers have in common and other users cannot read, so that they cannot
create the directory first. It is used only if it belongs to this user and is closed to all others. Files in it are
opened relative to it and without following links. Each process that uses it holds a lock on it, which the kernel
releases however the process ends, so that no other server, in whatever namespace, removes it as abandoned.
"""

import fcntl
import hashlib
import multiprocessing
import os
import re
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path

_PRIVATE = 0o700
_OPEN = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# In memory: a write to a mapped file on a disk can wait for that disk.
_MEMORY = "/dev/shm"  # noqa: S108 - the directory in it is private
_USUAL = ("/tmp", "/var/tmp")  # noqa: S108
# An abandoned directory of another PID namespace is removed after this time.
_ABANDONED_SECONDS = 3600.0
# Entries of a temporary directory that a start looks at.
_MOST_ENTRIES = 10_000
_numbers = count()


class SharedDirectory:
    """An open directory that belongs to this user alone.

    Parameters:
        path: The directory. It is created if it does not exist.

    Raises:
        OSError: It cannot be created, belongs to another user, is a link, or others may use it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with suppress(FileExistsError):
            path.mkdir(mode=_PRIVATE, parents=True)
        self._fd = os.open(path, _OPEN)
        try:
            self._make_private()
            self._remove_foreign()
        except BaseException:
            self.close()
            raise
        with suppress(OSError):  # some network file systems have no locks on directories
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _make_private(self) -> None:
        found = os.fstat(self._fd)
        if found.st_uid != os.geteuid():
            raise PermissionError(f"{self.path} belongs to another user")
        if found.st_mode & ~_PRIVATE & 0o777:
            raise PermissionError(f"{self.path} is open to other users; its mode must be 700")
        if found.st_mode & _PRIVATE != _PRIVATE:  # the umask removed some
            os.fchmod(self._fd, _PRIVATE)

    def _remove_foreign(self) -> None:
        """Remove what other users put there before the directory was private."""
        with os.scandir(self._fd) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                        os.unlink(entry.name, dir_fd=self._fd)

    def close(self) -> None:
        """Close it. The lock is released unless this is a forked child and its parent is alive."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def is_at(self, name: str, fd: int) -> bool:
        """Return whether an open file is still where other processes look for it."""
        try:
            return os.path.samestat((self.path / name).stat(), os.fstat(fd))
        except OSError:
            return False

    def age(self, name: str) -> float:
        """Return the seconds since a file was changed.

        Raises:
            OSError: It does not exist.
        """
        return time.time() - os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime

    def touch(self) -> None:
        """Mark the directory as in use."""
        os.utime(self._fd)

    def names(self, suffix: str = "") -> list[str]:
        """Return the names of its files with a suffix."""
        with os.scandir(self._fd) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(suffix))

    def open(self, name: str, flags: int) -> int:
        """Open a regular file of this user.

        Raises:
            OSError: There is none.
        """
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return fd
        os.close(fd)
        raise PermissionError(f"{self.path / name} is not a file of this user")

    @contextmanager
    def opened(self, name: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        """Open a file, and close it at the end of the block."""
        fd = self.open(name, flags)
        try:
            yield fd
        finally:
            os.close(fd)

    def pipe(self, name: str) -> int:
        """Create a named pipe and open it for reading. No other process need have it open for writing."""
        os.mkfifo(name, 0o600, dir_fd=self._fd)
        return os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)

    def write_to_pipe(self, name: str) -> None:
        """Wake the reader of a named pipe.

        Raises:
            OSError: It has no reader, or is full.
        """
        fd = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            os.write(fd, b"\0")
        finally:
            os.close(fd)

    def read(self, name: str, most: int) -> bytes:
        """Return the first bytes of a file, at most `most`; none if it does not exist."""
        try:
            with self.opened(name) as fd:
                return os.pread(fd, most, 0)
        except FileNotFoundError:
            return b""

    def version(self, name: str) -> object:
        """Return what changes whenever a file is replaced; ``None`` if it does not exist."""
        with suppress(OSError):
            found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            return found.st_ino, found.st_mtime_ns, found.st_size
        return None

    def write(self, name: str, data: bytes) -> None:
        """Replace a file as a whole."""
        # A unique name: a signal handler may interrupt this thread and write the same file.
        part = f"{name}.{os.getpid()}-{next(_numbers)}"
        fd = self.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            self.rename(part, name)
        except OSError:
            self.remove(part)
            raise

    def rename(self, name: str, to: str) -> None:
        """Rename a file."""
        os.rename(name, to, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._fd)


def shared_directory(named: str, server: str) -> SharedDirectory:
    """Open the directory that this process shares with the other workers of its server.

    Parameters:
        named: The setting workers_folder; empty for the default directory.
        server: The server, see `server_of_this_process`.

    Raises:
        OSError: No directory can be used.
    """
    if named:
        path = Path(named).absolute()
        with suppress(OSError):
            found = path.stat()
            # A directory that others use too, e.g. a volume, gets a private one in it.
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                path /= f"wxiai-otel-{os.geteuid()}"
        return SharedDirectory(path)
    name = _name(server)
    refused: OSError | None = None
    for base in _bases():
        try:
            directory = SharedDirectory(base / name)
        except OSError as error:
            refused = refused or error
        else:
            _remove_forgotten(directory.path)
            return directory
    raise refused or FileNotFoundError("there is no temporary directory")


def is_worker() -> bool:
    """Return whether this process is one of several that serve: of uvicorn, hypercorn, granian or gunicorn."""
    return multiprocessing.parent_process() is not None or os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")


def _starts_workers() -> bool:
    """Return whether this is gunicorn's main process, which loads the application if it is to be preloaded."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - there is no public way
    is_arbiter = False
    while frame is not None and frame.f_code.co_name != "spawn_worker":
        is_arbiter = is_arbiter or frame.f_globals.get("__name__") == "gunicorn.arbiter"
        frame = frame.f_back
    return is_arbiter and frame is None


def _bases() -> Iterator[Path]:
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    for path in dict.fromkeys([_MEMORY, *named, *_USUAL, tempfile.gettempdir()]):
        if path and os.access(path, os.W_OK | os.X_OK):
            yield Path(path).absolute()


def server_of_this_process() -> str:
    """Return what identifies the server of this worker. A forked child of the worker has the same one."""
    pid = os.getpid() if _starts_workers() else os.getppid()
    secret = _content("/proc/sys/kernel/random/boot_id") + _secret()
    return f"{_identity('/proc/self/ns/pid')}-{pid}-{_started(pid)}-{hashlib.blake2b(secret).hexdigest()}"


def _name(server: str) -> str:
    # The user of this process may be another one than at its fork: gunicorn changes it in workers. Its name cannot be
    # derived from that of the other user's directory.
    public, _, secret = server.rpartition("-")
    digest = hashlib.blake2b(f"{os.geteuid()} {secret}".encode(), digest_size=8).hexdigest()
    return f"wxiai-otel-{os.geteuid()}-{public}-{digest}"


def _secret() -> bytes:
    if multiprocessing.parent_process() is not None:
        return bytes(multiprocessing.current_process().authkey)
    # gunicorn forks its workers, which leaves these addresses as they are. The files of a main process that runs as
    # another user cannot be read, nor can most of this process's own after a change of the user.
    return b"".join(_LAYOUT.findall(_content("/proc/self/maps")))


# https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
_LAYOUT = re.compile(rb"^[0-9a-f]{1,16}-([0-9a-f]{1,16}) [^\n]{0,64}\[(?:vdso|stack)\]$", re.MULTILINE)
_NAME = re.compile(r"wxiai-otel-([0-9]{1,20})-([0-9]{1,20})-([0-9]{1,20})-([0-9]{1,20})-[0-9a-f]{16}")


def _identity(path: str) -> int:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return 0


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _started(pid: int) -> int:
    """Return when a process started, because its number may have been another's; 0 if it is unknown."""
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the name may contain anything but a last ")".
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(next(islice(fields, 19, None), 0))


def _remove_forgotten(own: Path) -> None:
    """Remove directories of this user's servers that no longer run."""
    with suppress(OSError), os.scandir(own.parent) as entries:
        for entry in islice(entries, _MOST_ENTRIES):
            found = _NAME.fullmatch(entry.name)
            if found and found[1] == str(os.geteuid()) and entry.name != own.name:
                with suppress(OSError):
                    _remove_if_forgotten(Path(entry.path), *map(int, found.groups()[1:]))


def _remove_if_forgotten(path: Path, space: int, pid: int, started: int) -> None:
    fd = os.open(path, _OPEN)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            return
        if space == _identity("/proc/self/ns/pid"):
            if _started(pid) == started:
                return
        elif time.time() - found.st_mtime < _ABANDONED_SECONDS:
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with os.scandir(fd) as entries:
            for entry in entries:
                os.unlink(entry.name, dir_fd=fd)
        path.rmdir()
    finally:
        os.close(fd)
