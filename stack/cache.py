"""The per-user cache of built programs: one lock for each build, and nothing half-built under a program's name."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Where programs are kept: XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wxiai-otel" / "bin"


def kept(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of a key, made when it is not there.

    Parameters:
        folder: The cache.
        key: Names what is made.
        make: Fills an empty folder, which appears under its name only when this has returned.
    """
    target = folder / key
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f"{key}.lock"):
        # Another one may have made it while this one waited.
        if target.is_dir():
            return target
        # A build that was killed leaves its folder.
        for left in folder.glob(f"{key}.part-*"):
            shutil.rmtree(left, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f"{key}.part-", dir=folder))
        try:
            make(part)
            part.chmod(0o755)
            part.rename(target)
        finally:
            if part.exists():
                shutil.rmtree(part, ignore_errors=True)
    return target


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"stack: waiting for another build of {path.stem}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
