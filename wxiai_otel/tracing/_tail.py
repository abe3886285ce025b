"""Holds the spans of each local trace until it is known whether the trace is kept.

There are no locks. What two threads may do at once rests on operations that are one step under the GIL: `dict.pop`
says which of them decides, and a span is put into the queue before its thread asks whether the decision was made, so
that either that thread or the deciding one finds it there.
"""

from collections.abc import Iterator
from time import monotonic

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.trace import StatusCode

from .._background import Periodic, resume
from .._guard import fault, guarded
from ._trace import LocalTrace, sampled

_SWEEP_SECONDS = 1.0


class TailProcessor(SynchronousMultiSpanProcessor):
    """Stands before the provider's processors, which receive the spans of kept traces, flagged as sampled.

    Parameters:
        slow_seconds: A trace that takes longer is kept.
        wait_seconds: A root that is open longer is decided on then.
        max_spans: Spans that may wait for their decision at a time, and roots that may be open.
    """

    def __init__(self, slow_seconds: float, wait_seconds: float, max_spans: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # upstream's has no types
        self._slow_seconds = slow_seconds
        self._wait_seconds = wait_seconds
        self._max_spans = max_spans
        self._open: dict[int, LocalTrace] = {}
        self._waiting = 0
        self.overflowed = 0
        interval = min(_SWEEP_SECONDS, wait_seconds / 4)
        self._work = Periodic("wxiai-otel-traces", interval, self._decide_overdue, self._begin_alone)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """See `TracerProvider.add_span_processor`."""
        super().add_span_processor(span_processor)
        self._work.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See `SpanProcessor.on_start`."""
        try:
            trace = span.get_span_context().trace_state
            if isinstance(trace, LocalTrace) and not trace.root:
                self.begin(trace, span.get_span_context().span_id)
        except Exception:  # noqa: BLE001 - the application goes on
            fault("tracing.start")
        for processor in self._span_processors:
            try:
                processor.on_start(span, parent_context)
            except Exception:  # noqa: BLE001 - the other processors are still to be told
                fault("tracing.start")

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor.on_end`."""
        try:
            context = span.get_span_context()
            trace = context.trace_state if context is not None else None
            if not isinstance(trace, LocalTrace):
                self._hand_on(span)
            elif not trace.decided:
                self._hold(trace, span)
            elif trace.kept:
                self._hand_on(span)
        except Exception:  # noqa: BLE001 - the application goes on
            fault("tracing.end")

    def begin(self, trace: LocalTrace, root: int) -> None:
        """The local root of a trace has started: the span of this id."""
        resume()
        trace.opened = monotonic()
        trace.root = root
        if not trace.decided:
            self._open[root] = trace
            if len(self._open) > self._max_spans:
                self._overflow(trace)

    def keeps_root(self, trace: LocalTrace, duration_ns: int) -> bool:
        """The root has ended well: decide on its trace. Whether the root goes out, and is to be handed on."""
        if not trace.decided:
            self._decide(trace, kept=self._is_slow(trace, duration_ns))
        return trace.kept

    def keep(self, trace: LocalTrace) -> None:
        """Keep a trace, whatever becomes of it; of one that was dropped, what is still to come."""
        self._decide(trace, kept=True)
        trace.kept = True

    def answered(self, trace: LocalTrace, *, failed: bool) -> None:
        """The root has done what it is judged by. It may stay open."""
        if trace.latency is None:
            trace.latency = monotonic() - trace.opened
        if not trace.decided and (failed or self._is_slow(trace)):
            self._decide(trace, kept=True)

    def observe_overflowed(self) -> Iterator[tuple[tuple[()], float]]:
        """How many traces were decided on because there was no room for them."""
        yield (), self.overflowed

    def shutdown(self) -> None:
        """Decide on what is open, then see `SpanProcessor.shutdown`."""
        self._work.stop()
        for trace in list(self._open.values()):
            guarded("tracing.shutdown")(self._decide)(trace, kept=self._is_slow(trace))
        super().shutdown()

    def _hold(self, trace: LocalTrace, span: ReadableSpan) -> None:
        trace.waiting.append(span)
        self._waiting += 1
        if span.status.status_code is StatusCode.ERROR:
            self._decide(trace, kept=True)
        elif span.context.span_id == trace.root:
            self._decide(trace, kept=self._is_slow(trace, (span.end_time or 0) - (span.start_time or 0)))
        elif self._waiting > self._max_spans:
            self._overflow(trace)
        if trace.decided:
            self._release(trace)

    def _is_slow(self, trace: LocalTrace, duration_ns: int | None = None) -> bool:
        seconds = trace.latency
        if seconds is None and duration_ns is not None:
            seconds = duration_ns / 1e9
        return (monotonic() - trace.opened if seconds is None else seconds) >= self._slow_seconds

    def _overflow(self, trace: LocalTrace) -> None:
        # What waits was not chosen: the probability says no.
        if self._decide(trace, kept=False):
            self.overflowed += 1

    def _decide(self, trace: LocalTrace, *, kept: bool) -> bool:
        if self._open.pop(trace.root, None) is None:
            return False
        if kept:
            trace.kept = True
        trace.decided = True
        self._release(trace)
        return True

    def _release(self, trace: LocalTrace) -> None:
        while trace.waiting:
            try:
                span = trace.waiting.popleft()
            except IndexError:  # another thread has had it
                return
            self._waiting -= 1
            if trace.kept:
                self._hand_on(span)

    def _hand_on(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is not None and not context.trace_flags.sampled:
            # Processors leave out what is not flagged. What they are given is a copy that nobody else has.
            span._context = sampled(context)  # noqa: SLF001
        for processor in self._span_processors:
            try:
                processor.on_end(span)
            except Exception:  # noqa: BLE001 - the other processors are still to be told
                fault("tracing.export")

    def _decide_overdue(self) -> None:
        now = monotonic()
        for trace in list(self._open.values()):
            if now - trace.opened < self._wait_seconds:
                return
            self._decide(trace, kept=self._is_slow(trace))

    def _begin_alone(self) -> None:
        # What waits at a fork is the parent's to export; what a child adds to it follows what is known by then.
        for trace in self._open.values():
            trace.waiting.clear()
            trace.kept = self._is_slow(trace)
            trace.decided = True
        self._open.clear()
        self._waiting = 0
