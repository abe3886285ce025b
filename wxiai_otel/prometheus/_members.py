"""The files of the workers in their shared directory: those of live ones, and one for all that have ended.

A worker is alive as long as its segment is locked. Any worker moves the counts of ended ones to one file, if no other
one does so or reads at the moment.
"""

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ._segment import MOST_BYTES, Record, packed, read, records
from ._shared_directory import SharedDirectory
from ._totals import Totals, add_records, bounded

VALUES = ".values"
ENDED = "ended.values"
_LOCK = "lock"
# Other files in a directory that the setting names are not ours.
_OURS = re.compile(r"([0-9a-f]{32})\.(?:values|json|pipe)(?:\.[a-z0-9-]{1,40})?")
# Symbolic links and sockets.
_NO_FILE = {errno.ELOOP, errno.ENXIO}
# A file that no worker has by then is of one that was killed while it joined.
_JOINED_SECONDS = 60.0
_PAUSE_SECONDS = 0.002


def members(directory: SharedDirectory) -> Iterator[tuple[str, int, bool]]:
    """Yield each worker's name, its open segment, and whether it is alive.

    Raises:
        OSError: Not all segments can be opened.
    """
    for name in directory.names(VALUES):
        if (found := _OURS.fullmatch(name)) is not None:
            try:
                fd = directory.open(name, os.O_RDONLY)
            except (FileNotFoundError, PermissionError):  # folded meanwhile, or no file of this user
                continue
            except OSError as error:
                # Any other error, e.g. too many open files, would hide the counts of a worker.
                if error.errno not in _NO_FILE:
                    raise
                continue
            try:
                yield found[1], fd, not _lock(fd, fcntl.LOCK_SH)
            finally:
                os.close(fd)


def ended(content: bytes) -> tuple[set[str], Totals, float]:
    """Read the file of ended workers.

    Returns:
        The names of those whose own files may still exist, the totals of all, and how many there are.
    """
    totals: Totals = {}
    add_records(totals, records(content))
    names = next((key for key in totals if key.startswith(b'["folded"')), None)
    if names is None:
        return set(), totals, 0
    number = totals.pop(names).sums[0]
    try:
        return set(json.loads(names)[1]), totals, number
    except (ValueError, TypeError, IndexError, RecursionError):
        return set(), {}, 0


def fold(directory: SharedDirectory, max_series: int, known: bytes) -> None:
    """Move the counts of ended workers to one file, unless another worker does so or reads at the moment.

    A process may run this or `undisturbed` in one thread at a time: locks of this kind belong to the process.

    Parameters:
        directory: The shared directory.
        max_series: The setting max_series.
        known: Earlier content of that file, which may have been removed.
    """
    with directory.opened(_LOCK, os.O_RDWR | os.O_CREAT) as lock:
        if not _lock_process(lock, fcntl.LOCK_EX):
            return
        found = {member: is_live for member, _, is_live in members(directory)}
        present, gone = set(found), [member for member, is_live in found.items() if not is_live]
        content = directory.read(ENDED, MOST_BYTES)
        # Usually nothing has changed since the last look, a second ago.
        if gone or content != known:
            _move(directory, gone, content, known, max_series)
        for name in directory.names():
            if _is_left(directory, name, present, gone):
                directory.remove(name)


def _move(directory: SharedDirectory, gone: list[str], content: bytes, known: bytes, max_series: int) -> None:
    folded, totals, number = ended(content)
    before = ended(known)
    if is_removed := before[2] > number:
        folded, totals, number = before
    for member, fd, _ in members(directory) if gone else ():
        if member in gone and member not in folded:
            number += 1
            add_records(totals, records(read(fd)))
    if gone or is_removed:
        # They are named there, because this process may be killed before it removes their files.
        names = Record(json.dumps(["folded", gone]).encode(), 0, 0, [number, 0.0])
        kept = [total.record(key) for key, total in bounded(totals, max_series).items()]
        directory.write(ENDED, packed([names, *kept]))


@contextmanager
def undisturbed(directory: SharedDirectory, seconds: float) -> Iterator[None]:
    """Keep other workers from folding, if this can be done in time."""
    deadline = time.monotonic() + seconds
    with directory.opened(_LOCK, os.O_RDWR | os.O_CREAT) as lock:
        while not _lock_process(lock, fcntl.LOCK_SH) and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        yield


def _is_left(directory: SharedDirectory, name: str, present: set[str], gone: list[str]) -> bool:
    """Return whether a file belongs to no worker that is alive or joins."""
    if name.startswith(f"{ENDED}."):  # a process was killed while it wrote this
        return True
    found = _OURS.fullmatch(name)
    with suppress(OSError):
        return found is not None and (
            found[1] in gone or (found[1] not in present and directory.age(name) > _JOINED_SECONDS)
        )
    return False


def _lock_process(fd: int, kind: int) -> bool:
    try:
        # Not `flock`: a child that is forked meanwhile would keep the lock.
        fcntl.lockf(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
