"""Growing pauses after a server refuses our credentials or commands: an immediate retry changes nothing."""

import time

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 120.0


class Backoff:
    """The pause before a server that refused is queried again.

    It has no lock: a race between two threads causes one more query at worst.
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
            # Drop the frames of earlier calls, which would accumulate.
            raise error.with_traceback(None)

    def refused(self, error: Exception) -> None:
        """Start a pause, twice as long as the last one, unless another thread has started it."""
        now = time.monotonic()
        if self._error is not None and now < self._until:
            return
        self._seconds = min(max(FIRST_SECONDS, 2 * self._seconds), LONGEST_SECONDS)
        self._until = now + self._seconds
        error.__cause__ = error.__context__ = None
        self._error = error.with_traceback(None)

    def answered(self) -> None:
        """Reset the pause after a reply without a refusal."""
        self._error = None
        self._seconds = 0.0
