"""Exceptions on spans."""

from opentelemetry.trace import Span

from .._labels import exception_type, message_of


def record_exception(span: Span, exception: BaseException) -> None:
    """As the span itself does; of one that cannot say what it is, its type alone."""
    try:
        span.record_exception(exception)
    except (Exception, SystemExit):  # noqa: BLE001 - what it calls is the application's code
        attributes = {"exception.type": exception_type(exception), "exception.message": message_of(exception)}
        span.add_event("exception", attributes)
