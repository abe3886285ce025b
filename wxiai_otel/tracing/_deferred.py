"""Local roots that the SDK makes only once more is wanted of them than their ids.

Nine requests of ten are dropped when they end, and nobody has asked their span for anything: the SDK's span, its lock,
its lists and its copies of attributes would be made for nothing. What is made late is the SDK's own span, with the ids
and the time of the start, so that what is exported, and what the application sees, is as ever.
"""

from collections.abc import Callable, Mapping
from time import time_ns
from typing import Any, NamedTuple, TypeGuard

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, Tracer, _Span
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.util.types import AnyValue, Attributes

from .._database_errors import event_of, holds_reports
from .._guard import guarded
from ._sampler import TailSampler
from ._tail import TailProcessor
from ._trace import LocalTrace

_DO_NOTHING = (SpanProcessor, SimpleSpanProcessor, BatchSpanProcessor)
_ON_START = frozenset(processor.on_start for processor in _DO_NOTHING)
_ON_ENDING = frozenset(processor._on_ending for processor in _DO_NOTHING)  # noqa: SLF001 - as the SDK calls it


class ToldOfEnds:
    """Whether all processors of a tail are told of the end of spans only, so that the SDK need not make them before.

    Parameters:
        tail: Whose processors.
    """

    def __init__(self, tail: TailProcessor) -> None:
        self._tail = tail
        self._processors: tuple[SpanProcessor, ...] = ()
        self._only = False

    def only(self) -> bool:
        """By now: processors may be added at any time."""
        processors = self._tail._span_processors  # noqa: SLF001 - there is no public way to ask
        if processors is not self._processors:
            self._only = all(map(_is_told_of_the_end_only, processors))
            self._processors = processors
        return self._only


def may_be_late(tracer: Any) -> TypeGuard[Tracer]:
    """Whether a tracer is the SDK's, and the SDK does not count the spans that it makes."""
    # There is no public way to ask.
    return isinstance(tracer, Tracer) and isinstance(tracer._tracer_metrics, NoOpTracerMetrics)  # noqa: SLF001


class Start(NamedTuple):
    """What a span is started with, should it be.

    Attributes:
        name: The span's.
        attributes: Makes its attributes, when they are wanted.
    """

    name: str
    attributes: Callable[[], Attributes]


class DeferredSpans:
    """Starts the local roots of kind SERVER of the process's own tracer provider.

    Parameters:
        tracer: Would start them otherwise.
        tail: Decides on their traces.
        sampler: Says which are chosen from the start.
    """

    def __init__(self, tracer: Tracer, tail: TailProcessor, sampler: TailSampler) -> None:
        self._told = ToldOfEnds(tail)
        self._sampler = sampler
        self.tracer = tracer
        self.tail = tail

    @classmethod
    def of(cls, tracer: Any, tail: TailProcessor | None) -> "DeferredSpans | None":
        """Those of a tracer, where this package decides on its traces and the SDK does not count its spans."""
        if tail is None or not may_be_late(tracer):
            return None
        sampler = getattr(tracer.sampler, "sampler", None)  # WhenExported's
        return cls(tracer, tail, sampler) if isinstance(sampler, TailSampler) else None

    def start(self, start: Start, parent: Context) -> "DeferredSpan | None":
        """Start a local root; ``None`` where somebody is to be told of its start, or where it would be none.

        Parameters:
            start: What is known of it.
            parent: The context that it belongs to.
        """
        above = get_current_span(parent).get_span_context()
        if (above.is_valid and not above.is_remote) or not self._told.only():
            return None
        ids = self.tracer.id_generator
        if above.is_valid:
            trace_id, random = above.trace_id, above.trace_flags.random_trace_id
        else:
            trace_id, random = ids.generate_trace_id(), ids.is_trace_id_random()
        trace = self._sampler.begin(above, trace_id)
        flags = (TraceFlags.SAMPLED if trace.chosen else 0) | (TraceFlags.RANDOM_TRACE_ID if random else 0)
        context = SpanContext(trace_id, ids.generate_span_id(), False, TraceFlags(flags), trace)
        self.tail.begin(trace, context.span_id)
        return DeferredSpan(self, start, context, trace, parent)


class DeferredSpan(Span):
    """A local root under way. See `DeferredSpans.start`."""

    __slots__ = ("_context", "_dropped", "_made", "_parent", "_spans", "_start", "_start_time", "_trace")

    def __init__(
        self, spans: DeferredSpans, start: Start, context: SpanContext, trace: LocalTrace, parent: Context
    ) -> None:
        self._spans = spans
        self._start = start
        self._context = context
        self._trace = trace
        self._parent = parent
        self._made: dict[None, _Span] = {}
        self._dropped = False
        self._start_time = time_ns()

    def dropped(self, end_time: int) -> bool:
        """End the span, where nobody has asked it for anything and its trace is not kept; else the caller is to.

        Parameters:
            end_time: In nanoseconds since the epoch.
        """
        if self._made or self._spans.tail.keeps_root(self._trace, end_time - self._start_time):
            return False
        self._dropped = True
        return True

    def get_span_context(self) -> SpanContext:
        """See `opentelemetry.trace.Span`, as for all below."""
        return self._context

    def is_recording(self) -> bool:
        return self._sdk.is_recording() if self._made else not self._dropped

    def end(self, end_time: int | None = None) -> None:
        self._sdk.end(end_time)

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        self._sdk.set_attributes(attributes)

    def set_attribute(self, key: str, value: AnyValue) -> None:
        self._sdk.set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._sdk.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._sdk.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._sdk.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._sdk.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        if holds_reports(exception):
            event = {**event_of(exception), "exception.escaped": str(escaped), **(attributes or {})}
            self._sdk.add_event("exception", event, timestamp)
        else:
            self._sdk.record_exception(exception, attributes, timestamp, escaped)

    def __getattr__(self, name: str) -> Any:
        """What only the SDK's span has: its attributes, its times."""
        if name.startswith("__"):  # copying and pickling ask before there is anything
            raise AttributeError(name)
        return getattr(self._sdk, name)

    @property
    def _sdk(self) -> _Span:
        made = self._made.get(None)
        if made is None:
            # Two threads may make one each. `setdefault` is one step, and says whose it is.
            made = self._made.setdefault(None, self._make())
        return made

    def _make(self) -> _Span:
        tracer = self._spans.tracer
        above = get_current_span(self._parent).get_span_context()
        span = _Span(
            name=self._start.name,
            context=self._context,
            parent=above if above.is_valid else None,
            sampler=tracer.sampler,
            resource=tracer.resource,
            attributes=guarded("http.span")(self._start.attributes)(),
            span_processor=tracer.span_processor,
            kind=SpanKind.SERVER,
            instrumentation_info=tracer.instrumentation_info,
            limits=tracer._span_limits,  # noqa: SLF001 - as the SDK makes it
            instrumentation_scope=tracer._instrumentation_scope,  # noqa: SLF001
        )
        span.start(self._start_time, self._parent)
        if self._dropped:
            span._end_time = self._start_time  # noqa: SLF001 - it has ended, and nobody is to be told
        return span


def _is_told_of_the_end_only(processor: SpanProcessor) -> bool:
    kind = type(processor)
    return getattr(kind, "on_start", None) in _ON_START and getattr(kind, "_on_ending", None) in _ON_ENDING
