"""A small disk that can be filled: a file system in memory, which only root can have."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def can_mount() -> bool:
    return os.geteuid() == 0


class Disk:
    """One that somebody else fills.

    Parameters:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._other = folder / "another"

    def fill(self) -> None:
        """Take all of its space."""
        with self._other.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def free(self) -> None:
        """Give it back."""
        self._other.unlink(missing_ok=True)

    def reserve(self, size: int) -> None:
        """Have each file be of a size that is its own, as ``fallocate`` does."""
        for file in self.folder.iterdir():
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """Have one of so many bytes until the block ends."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        # Whoever has files of it open may end later.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
