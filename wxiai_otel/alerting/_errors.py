"""What can go wrong with an alert."""

from .._remote import bounded_delay


class AlertConfigError(ValueError):
    """The configuration of the channels is not allowed; the message names the key and what is allowed."""


class NotDelivered(Exception):
    """A channel has not accepted a message.

    Parameters:
        reason: What happened. It goes to logs and answers, and never holds a secret.
        passes: Whether a later attempt may succeed.
        limited: Whether it was refused because there are too many: nothing else should be sent now.
        after: The delay in seconds that the other side requests before the next attempt; it is bounded.
        full: Whether it was refused or removed because too many messages were waiting.
    """

    def __init__(
        self,
        reason: str,
        *,
        passes: bool,
        limited: bool = False,
        after: float | None = None,
        full: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passes = passes
        self.limited = limited
        self.after = None if after is None else bounded_delay(after)
        self.full = full
