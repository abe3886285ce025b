"""Growing pauses after a server refuses our credentials or commands: asking again at once changes nothing."""

import time

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 120.0


class Backoff:
    """The pause before a server that refused is queried again.

    It has no lock: two threads that meet in it query the server once more at worst.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._seconds = 0.0
        self._until = 0.0

    def wait_over(self) -> None:
        """Return if the server may be queried.

        Raises:
            Exception: The last refusal, during the pause that follows it.
        """
        error = self._error
        if error is not None and time.monotonic() < self._until:
            # Without the frames of earlier calls, which would pile up.
            raise error.with_traceback(None)

    def refused(self, error: Exception) -> None:
        """Begin a pause, twice as long as the last one, unless another thread's refusal has begun it."""
        now = time.monotonic()
        if self._error is not None and now < self._until:
            return
        self._seconds = min(max(FIRST_SECONDS, 2 * self._seconds), LONGEST_SECONDS)
        self._until = now + self._seconds
        error.__cause__ = error.__context__ = None
        self._error = error.with_traceback(None)

    def answered(self) -> None:
        """End all pauses: the server did what we wanted."""
        self._error = None
        self._seconds = 0.0
