"""Spans that nobody receives: they are ids only, for log records and for the services called."""

from random import getrandbits

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, get_current_span

_RANDOM = TraceFlags(TraceFlags.RANDOM_TRACE_ID)
_DEFAULT = TraceFlags(TraceFlags.DEFAULT)


def unrecorded_span(parent: Context) -> Span:
    """What the SDK's tracer makes of a span that is dropped, without asking its sampler.

    Parameters:
        parent: The context that the span belongs to.
    """
    above = get_current_span(parent).get_span_context()
    if above.is_valid:
        flags = _RANDOM if above.trace_flags & _RANDOM else _DEFAULT
        return NonRecordingSpan(SpanContext(above.trace_id, _id(64), False, flags, above.trace_state))
    return NonRecordingSpan(SpanContext(_id(128), _id(64), False, _RANDOM))


def _id(bits: int) -> int:
    while (drawn := getrandbits(bits)) == 0:  # the one that is not valid
        pass
    return drawn
