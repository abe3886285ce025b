"""Deadlines: how long the end of a process may take, and what is left of it for the work in a thread."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# For the last part of a shutdown: an export to a receiver on this machine takes a few milliseconds.
LEAST_SECONDS = 0.25

_deadline: ContextVar[float | None] = ContextVar("wxiai_otel_deadline", default=None)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Bound the work in the block, on the clock of `time.monotonic`. An earlier deadline around it stays in force."""
    around = _deadline.get()
    token = _deadline.set(deadline if around is None else min(deadline, around))
    try:
        yield
    finally:
        _deadline.reset(token)


def left(default: float) -> float:
    """Return the seconds until the deadline of the current work, at most `default`."""
    deadline = _deadline.get()
    return default if deadline is None else max(0.0, min(default, deadline - time.monotonic()))


class Allowance:
    """The seconds that shutting down may take in total, shared by all who take part in it.

    A server's shutdown has several parts: the flush at the end of each lifespan, `Telemetry.shutdown`, the exit hook.
    Each part uses what the parts before it have left. Parts that overlap have the same deadline.

    Parameters:
        seconds: The setting shutdown_timeout.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.refill()

    def refill(self) -> None:
        """Allow the whole time again, because the process goes on: a lifespan starts, or a child is forked."""
        self.left = self._seconds
        self._deadline = 0.0
        self._parts: set[object] = set()

    @contextmanager
    def spent(self, least: float = 0.0) -> Iterator[float]:
        """Use the allowance in the block.

        Parameters:
            least: Seconds that are allowed even if none are left.

        Returns:
            The deadline, on the clock of `time.monotonic`.
        """
        # No lock: a signal handler may shut down while a flush is in here.
        part = object()
        if not self._parts:
            self._deadline = time.monotonic() + self.left
        self._parts.add(part)
        try:
            yield max(self._deadline, time.monotonic() + least)
        finally:
            self.left = max(0.0, self._deadline - time.monotonic())
            self._parts.discard(part)
