"""The files of the workers in their shared directory: those of live ones, and one for all that have ended.

A worker is alive as long as its segment is locked. Any worker moves the counts of ended ones to one file. Only one does
so at a time, and no worker waits for another.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress

from ._segment import MOST_BYTES, Record, packed, records
from ._shared_directory import SharedDirectory
from ._totals import Totals, add_records, bounded

VALUES = ".values"
ENDED = "ended.values"
_LOCK = "lock"


def members(directory: SharedDirectory) -> Iterator[tuple[str, int, bool]]:
    """Yield each worker's name, its open segment, and whether it is alive."""
    for name in directory.names(VALUES):
        with suppress(OSError):  # it was folded meanwhile, or is no file of this user
            if name != ENDED:
                with directory.opened(name) as fd:
                    yield name.removesuffix(VALUES), fd, not _lock(fd, fcntl.LOCK_SH)


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
    return set(json.loads(names)[1]), totals, totals.pop(names).sums[0]


def fold(directory: SharedDirectory, max_series: int, known: bytes) -> None:
    """Move the counts of ended workers to one file, unless another worker does so at the moment.

    Parameters:
        directory: The shared directory.
        max_series: The setting max_series.
        known: Earlier content of that file, which may have been removed.
    """
    with directory.opened(_LOCK, os.O_RDWR | os.O_CREAT) as lock:
        if not _lock(lock, fcntl.LOCK_EX):
            return
        folded, totals, number = ended(directory.read(ENDED, MOST_BYTES))
        if is_removed := ended(known)[2] > number:
            folded, totals, number = ended(known)
        gone = []
        for member, fd, is_live in members(directory):
            if not is_live:
                gone.append(member)
                if member not in folded:
                    number += 1
                    add_records(totals, records(os.pread(fd, MOST_BYTES, 0)))
        if gone or is_removed:
            # They are named there, because this process may be killed before it removes their files.
            names = Record(json.dumps(["folded", gone]).encode(), 0, 0, [number, 0.0])
            kept = [total.record(key) for key, total in bounded(totals, max_series).items()]
            directory.write(ENDED, packed([names, *kept]))
        for name in directory.names():
            # The last one is what a process that was killed here has left.
            if name.startswith((*gone, f"{ENDED}.")):
                directory.remove(name)


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
