"""The request that is being handled, for whoever records something within it."""

from contextvars import ContextVar
from typing import Protocol


class Request(Protocol):
    """What is known of a request while it is handled."""

    login_failure_recorded: bool
    login_failure_seen: bool

    def role(self) -> str | None:
        """The label of its user's role; ``None`` without a user."""

    def client(self) -> str | None:
        """The address that it came from."""


current_request: ContextVar[Request | None] = ContextVar("wxiai_otel_request", default=None)
