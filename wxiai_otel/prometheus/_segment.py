"""Counts in a mapped file: a worker adds to them in place, and any other worker reads them at any time.

A header of 64 bytes, see `Header`, is followed by records, each of 8-byte fields: size in bytes, number of cells (0
until the record is complete), order, start in nanoseconds since the epoch, length of the key, the key, and the cells.
Orders come from the system's monotonic clock: all workers agree which of two series is older.

A key is JSON; see `_totals`. The cells are a float sum, its rounding error, and counts.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from ._shared_directory import SharedDirectory

MAGIC = 0x31_6C65_746F_6978  # "xiotel1"
_HEADER = struct.Struct("=qqqqq")
HEADER_BYTES = 64
_RECORD = struct.Struct("=qqqqq")
# Reserved at a time: a write to a mapped page that the disk has no room for would kill the process.
_STEP = 1 << 16
MOST_BYTES = 1 << 24


class Header(NamedTuple):
    """The beginning of a file.

    Attributes:
        magic: The magic number.
        used: The bytes in use.
        returned_ns: Monotonic time at which the worker came back after its directory was removed; 0 if it was not.
        started: Number of publications started.
        finished: Number of the publication finished last.
    """

    magic: int
    used: int
    returned_ns: int = 0
    started: int = 0
    finished: int = 0

    @classmethod
    def read(cls, fd: int) -> "Header":
        """Read the header of an open file; an empty one if it has none."""
        content = os.pread(fd, _HEADER.size, 0)
        return cls(*_HEADER.unpack(content)) if len(content) == _HEADER.size else cls(0, 0)

    def packed(self) -> bytes:
        """Return its bytes."""
        return _HEADER.pack(*self).ljust(HEADER_BYTES, b"\0")


class Record(NamedTuple):
    """One series."""

    key: bytes
    order: int
    start_ns: int
    cells: list[float]


class Segment:
    """The file of this process. It is locked as long as the process lives.

    Parameters:
        directory: Where it is.
        name: Its name.
        returned_ns: See `Header`.

    Raises:
        OSError: There is no room for it.
    """

    def __init__(self, directory: SharedDirectory, name: str, returned_ns: int = 0) -> None:
        self._directory, self._name = directory, name
        part = f"{name}.new"
        self._fd = directory.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, MOST_BYTES)
            self._reserved = 0
            self._reserve(_STEP)
            # Opened again: the mapping has a duplicate, which would keep the lock in a forked child.
            with directory.opened(part, os.O_RDWR) as mapped:
                cells = memoryview(mmap.mmap(mapped, MOST_BYTES))
            self._bytes, self._fields, self._cells = cells, cells.cast("q"), cells.cast("d")
            self._next = HEADER_BYTES
            # Whether there was no room on the disk for a record.
            self.is_short = False
            cells[:HEADER_BYTES] = Header(MAGIC, self._next, returned_ns).packed()
            # Visible from here on, and locked already.
            directory.rename(part, name)
        except BaseException:
            os.close(self._fd)
            directory.remove(part)
            raise

    def allocate(self, key: bytes, cells: int, start_ns: int) -> Any | None:
        """Add a record. Return its cells, all 0; ``None`` if there is no room.

        Safe in destructors and signal handlers: two allocations never get the same place.
        """
        padded = len(key) + -len(key) % 8
        size = _RECORD.size + padded + 8 * cells
        fields = self._fields
        while True:
            # No call from here on.
            place = self._next
            end = place + size
            if end <= self._reserved:
                self._next = end
                fields[place >> 3] = size
                fields[1] = end
                break
            if end > MOST_BYTES or not self._grow(end):
                return None
        first = place + _RECORD.size
        self._bytes[first : first + len(key)] = key
        fields[(place >> 3) + 2] = time.monotonic_ns()
        fields[(place >> 3) + 3] = start_ns
        fields[(place >> 3) + 4] = len(key)
        fields[(place >> 3) + 1] = cells
        return self._cells[first + padded >> 3 : place + size >> 3]

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Number a publication, so that other workers know which one they wait for."""
        fields = self._fields
        fields[3] += 1
        number = fields[3]
        try:
            yield
        finally:
            if fields[4] < number:  # noqa: PLR1730 - `max` would be a call, at which threads switch
                fields[4] = number

    def is_removed(self) -> bool:
        """Return whether the file, or its directory, is no longer where other workers look for it."""
        return not self._directory.is_at(self._name, self._fd)

    def close(self) -> None:
        """Release the lock. In a forked child, this releases nothing of the parent's."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _grow(self, end: int) -> bool:
        try:
            self._reserve(min(MOST_BYTES, end + _STEP))
        except OSError:
            self.is_short = True
            return False
        return True

    def _reserve(self, end: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, 0, end)
        else:
            os.pwrite(self._fd, bytes(end - self._reserved), self._reserved)
        self._reserved = max(self._reserved, end)


def read(fd: int) -> bytes:
    """Return the part of an open file that is in use."""
    return os.pread(fd, min(max(Header.read(fd).used, 0), MOST_BYTES), 0)


def packed(records: list[Record]) -> bytes:
    """Return the content of a file with these records."""
    parts = [b""]
    for key, order, start_ns, cells in records:
        padded = len(key) + -len(key) % 8
        size = _RECORD.size + padded + 8 * len(cells)
        parts += (_RECORD.pack(size, len(cells), order, start_ns, len(key)), key.ljust(padded, b"\0"))
        parts.append(struct.pack(f"={len(cells)}d", *cells))
    parts[0] = Header(MAGIC, HEADER_BYTES + sum(map(len, parts))).packed()
    return b"".join(parts)


def records(content: bytes) -> Iterator[Record]:
    """Yield the complete records of a file, up to the first that is not one."""
    with suppress(struct.error):
        magic, used, *_ = _HEADER.unpack_from(content)
        if magic != MAGIC:
            return
        end = min(used, len(content))
        place = HEADER_BYTES
        while place + _RECORD.size <= end:
            size, cells, order, start_ns, length = _RECORD.unpack_from(content, place)
            first = place + _RECORD.size
            values = first + length + -length % 8
            if size < _RECORD.size or length < 0 or cells < 0:
                return
            if cells and values + 8 * cells == place + size <= end:
                found = struct.unpack_from(f"={cells}d", content, values)
                yield Record(content[first : first + length], order, start_ns, list(found))
            place += size
