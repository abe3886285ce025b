"""Spans that nobody receives: ids only, for log records and for the services called, drawn when they are asked for."""

from random import getrandbits

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span

_RANDOM = TraceFlags(TraceFlags.RANDOM_TRACE_ID)
_DEFAULT = TraceFlags(TraceFlags.DEFAULT)


class UnrecordedSpan(NonRecordingSpan):
    """What the SDK's tracer makes of a span that is dropped, without asking its sampler.

    Parameters:
        parent: The context that the span belongs to.
    """

    def __init__(self, parent: Context) -> None:
        self._parent = parent
        self._drawn: dict[None, SpanContext] = {}

    def get_span_context(self) -> SpanContext:
        """See `opentelemetry.trace.Span.get_span_context`."""
        drawn = self._drawn.get(None)
        # Two threads may draw at once. `setdefault` is one step, and says whose it is.
        return self._drawn.setdefault(None, self._draw()) if drawn is None else drawn

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_span_context()!r})"

    def _draw(self) -> SpanContext:
        above = get_current_span(self._parent).get_span_context()
        if above.is_valid:
            flags = _RANDOM if above.trace_flags & _RANDOM else _DEFAULT
            return SpanContext(above.trace_id, _id(64), False, flags, above.trace_state)
        return SpanContext(_id(128), _id(64), False, _RANDOM)


def _id(bits: int) -> int:
    while (drawn := getrandbits(bits)) == 0:  # the one that is not valid
        pass
    return drawn
