"""What channels without a limit of messages have in common."""

from collections.abc import Sequence

from .._message import Message


class Unlimited:
    """Each message goes out by itself, some at a time. See `Channel`."""

    burst = 0
    interval = 0.0
    workers = 4

    def fold(self, waiting: Sequence[Message]) -> int:
        """See `Channel.fold`."""
        del waiting
        return 1
