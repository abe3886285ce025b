"""The request that is being handled, for whoever records something within it."""

from contextlib import suppress
from contextvars import ContextVar
from typing import Protocol
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span


class Request(Protocol):
    """What is known of a request while it is handled."""

    login_failure_recorded: bool
    login_failure_seen: bool

    def role(self) -> str | None:
        """The label of its user's role; ``None`` without a user."""

    def client(self) -> str | None:
        """The address that it came from."""

    def is_counted(self) -> bool:
        """Return whether this is an HTTP request that is still being handled, and that the SDK counts."""


current_request: ContextVar[Request | None] = ContextVar("wxiai_otel_request", default=None)

# The spans in which requests have reached us, e.g. those of a middleware around the application.
_around: "WeakSet[Span]" = WeakSet()


def note_around(span: Span) -> None:
    """Note that a request within a span is measured by us."""
    with suppress(TypeError):  # a class without weak references; spans of OpenTelemetry have them
        _around.add(span)


def is_measured(context: Context | None = None) -> bool:
    """Return whether the request of a context is measured by us: within us, or by a middleware around us."""
    request = current_request.get()
    return (request is not None and request.is_counted()) or get_current_span(context) in _around
