"""Deadlines of shutdowns, and the time that the current work has left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# For the last part of a shutdown: an export to a local receiver takes a few milliseconds.
LEAST_SECONDS = 0.25

_deadline: ContextVar[float | None] = ContextVar("wxiai_otel_deadline", default=None)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Set the deadline of the work in the block, on the clock of `time.monotonic`. An earlier outer deadline stays."""
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
    """The time that all parts of a shutdown may take together.

    A server's shutdown has several parts: the flush at the end of each lifespan, `Telemetry.shutdown`, the exit hook.
    Each part uses the time that earlier parts left over. Overlapping parts share one deadline.

    Parameters:
        seconds: The setting shutdown_timeout, in seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.refill()

    def refill(self) -> None:
        """Allow the whole time again, when a lifespan starts or in a forked child."""
        self.left = self._seconds
        self._deadline = 0.0
        self._parts: set[object] = set()

    @contextmanager
    def spent(self, least: float = 0.0) -> Iterator[float]:
        """Charge the time of the block to the allowance.

        Parameters:
            least: Seconds that the block may take even if none are left.

        Yields:
            The deadline, on the clock of `time.monotonic`.
        """
        # No lock: a signal handler may shut down during a flush.
        part = object()
        if not self._parts:
            self._deadline = time.monotonic() + self.left
        self._parts.add(part)
        try:
            yield max(self._deadline, time.monotonic() + least)
        finally:
            self.left = max(0.0, self._deadline - time.monotonic())
            self._parts.discard(part)
