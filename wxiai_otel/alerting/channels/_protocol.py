"""What a channel is."""

from collections.abc import Sequence
from typing import Protocol

from .._message import Message


class Channel(Protocol):
    """A way to tell somebody. `wxiai_otel.alerting._sender` calls it in threads of its own.

    Attributes:
        name: In configuration, paths and metrics.
        burst: Messages that may be sent at once, and again after as many intervals; 0: no limit.
        interval: Seconds between two messages beyond the burst.
        workers: Messages that may be under way at a time.
    """

    name: str
    burst: int
    interval: float
    workers: int

    def fold(self, waiting: Sequence[Message]) -> int:
        """How many of the messages that wait go out as one, from the first on; at least 1."""
        ...

    def send(self, messages: Sequence[Message], seconds: float) -> None:
        """Send them as one, and return when the other side has accepted it.

        Parameters:
            messages: As many as `fold` has said.
            seconds: For all of it.

        Raises:
            NotDelivered: It was not accepted.
        """
        ...
