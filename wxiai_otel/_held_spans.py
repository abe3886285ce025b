"""Spans that nothing is told of before they end.

Most traces are not kept, and a span within one is made for nothing. The SDK's has a lock, copies its attributes and
then itself, and costs several times what is here: the ended span alone, for the decision on its trace to wait with.
"""

from collections.abc import Mapping
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan, Tracer
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from .tracing import TailProcessor, ToldOfEnds, may_be_late
from .tracing._trace import LocalTrace

Attributes = Mapping[str, AttributeValue]

_UNSET = Status(StatusCode.UNSET)


class Description(NamedTuple):
    """What is said of a call, whenever it is made: not to be changed.

    Attributes:
        name: The span's name.
        attributes: Its attributes.
        ended: The same as they are once it has ended, within the SDK's limits.
    """

    name: str
    attributes: Attributes
    ended: Attributes


class HeldSpans:
    """Starts spans below local roots of the process's own tracer provider.

    Parameters:
        tracer: Would start them otherwise.
        tail: Decides on their traces.
    """

    def __init__(self, tracer: Tracer, tail: TailProcessor) -> None:
        limits = tracer._span_limits  # noqa: SLF001 - there is no public way to ask
        self._limits = (limits.max_span_attributes, limits.max_span_attribute_length)
        self._told = ToldOfEnds(tail)
        self.tracer = tracer
        self.scope = tracer._instrumentation_scope  # noqa: SLF001 - as above
        self.tail = tail

    @classmethod
    def of(cls, tracer: Any, processor: Any) -> "HeldSpans | None":
        """Those of a tracer, where this package decides on its traces and the SDK does not count its spans."""
        return cls(tracer, processor) if isinstance(processor, TailProcessor) and may_be_late(tracer) else None

    def bounded(self, attributes: Attributes) -> BoundedAttributes:
        """Attributes as the SDK has them once a span has ended."""
        number, length = self._limits
        return BoundedAttributes(number, attributes, immutable=True, max_value_len=length)

    def start(self, description: Description, parent: Span) -> "HeldSpan | None":
        """Start a span; ``None`` where its trace is another's, or where somebody is to be told of its start."""
        context = parent.get_span_context()
        trace = context.trace_state
        if not isinstance(trace, LocalTrace) or trace.tail is not self.tail:
            return None
        return HeldSpan(self, description, context, trace) if self._told.only() else None


class HeldSpan:
    """A span under way. See `HeldSpans.start`."""

    __slots__ = ("_context", "_description", "_parent", "_spans", "_started", "_trace")

    def __init__(self, spans: HeldSpans, description: Description, parent: SpanContext, trace: LocalTrace) -> None:
        self._spans = spans
        self._description = description
        self._parent = parent
        self._trace = trace
        self._context: SpanContext | None = None
        self._started = time_ns()

    @property
    def current(self) -> Span:
        """What stands for it in a context: the parent of what is made within it."""
        return NonRecordingSpan(self._identified())

    def _identified(self) -> SpanContext:
        if self._context is None:
            trace_id, _, _, flags, trace, _ = self._parent
            if flags.sampled != self._trace.chosen:
                flags = TraceFlags(flags ^ TraceFlags.SAMPLED)
            span_id = self._spans.tracer.id_generator.generate_span_id()
            self._context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=trace)
        return self._context

    def end(
        self, failure: Attributes | None = None, description: str | None = None, end_time: int | None = None
    ) -> None:
        """See `SdkSpan.end`."""
        spans = self._spans
        name, attributes, ended = self._description
        status = _UNSET
        if failure is not None:
            ended = spans.bounded({**attributes, **failure})
            status = Status(StatusCode.ERROR, description)
        span = ReadableSpan(
            name,
            self._identified(),
            self._parent,
            spans.tracer.resource,
            ended,
            kind=SpanKind.CLIENT,
            status=status,
            start_time=self._started,
            end_time=time_ns() if end_time is None else end_time,
            instrumentation_scope=spans.scope,
        )
        spans.tail.on_end(span)
