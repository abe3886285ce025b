"""Exceptions on spans."""

from opentelemetry.trace import Span

from .._database_errors import event_of, holds_reports
from .._labels import exception_type, message_of


def record_exception(span: Span, exception: BaseException) -> None:
    """Add the event of an exception to a span, without what databases reported.

    The event has no traceback if the exception cannot be converted to text.
    """
    if holds_reports(exception):
        span.add_event("exception", event_of(exception))
        return
    try:
        span.record_exception(exception)
    except (Exception, SystemExit):  # noqa: BLE001 - what it calls is the application's code
        attributes = {"exception.type": exception_type(exception), "exception.message": message_of(exception)}
        span.add_event("exception", attributes)
