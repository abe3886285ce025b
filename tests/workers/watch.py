"""Measuring how long processes take, whatever else runs on the machine."""

import time
from contextlib import suppress
from pathlib import Path


def delayed(pid: int | str) -> float:
    """The seconds in which the threads of a process were ready to run and waited for a processor."""
    # https://docs.kernel.org/scheduler/sched-stats.html: the second number.
    nanoseconds = 0
    with suppress(OSError):  # a process may have ended, or may open no more files
        for path in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                nanoseconds += int((path / "schedstat").read_text().split()[1])
    return nanoseconds / 1e9


class Watch:
    """Measures the time from now on.

    Parameters:
        pids: Processes besides this one.
    """

    def __init__(self, *pids: int) -> None:
        self._delayed = {pid: delayed(pid) for pid in ("self", *pids)}
        self._started = time.monotonic()

    def elapsed(self) -> float:
        """The seconds by the clock."""
        return time.monotonic() - self._started

    def seconds(self) -> float:
        """The seconds without those in which a process waited for a processor."""
        # A process that has ended meanwhile has no number any more.
        return self.elapsed() - sum(max(0, delayed(pid) - before) for pid, before in self._delayed.items())
