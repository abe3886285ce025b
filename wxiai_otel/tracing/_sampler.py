"""Samplers: whether a span is recorded, and whether it is flagged as sampled."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from ._consistent import entries, own_randomness, randomness_of, threshold_of
from ._tail import TailProcessor
from ._trace import LocalTrace


def spans_received(processors: object) -> bool:
    """Whether there is somebody who receives spans, as far as is known.

    Parameters:
        processors: A tracer provider's; of any other kind there may be somebody.
    """
    return bool(getattr(processors, "_span_processors", True))  # there is no public way to ask


class WhenExported(Sampler):
    """Samples only while there is a span processor: spans that nobody receives need not be recorded.

    Their ids are made all the same, for log records and for the services called.

    Parameters:
        sampler: Decides while there is one.
        processors: The provider's.
    """

    def __init__(self, sampler: Sampler, processors: SynchronousMultiSpanProcessor) -> None:
        self.sampler = sampler
        self._processors = processors

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if not spans_received(self._processors):
            state = get_current_span(parent_context).get_span_context().trace_state
            return SamplingResult(Decision.DROP, None, state)
        return self.sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"WhenExported{{{self.sampler.get_description()}}}"


class TailSampler(Sampler):
    """A sampler that records every span, and flags those of chosen traces as sampled.

    Parameters:
        tail: Decides on the traces.
        share: Share of the traces that are chosen, from 0 to 1.
        trust_parent: Whether the flag of a remote parent takes precedence over the share.
    """

    def __init__(self, tail: TailProcessor, share: float, *, trust_parent: bool) -> None:
        self._tail = tail
        self._share = share
        self._threshold = threshold_of(share)
        self._trust_parent = trust_parent

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002 - the SDK's signature
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,  # noqa: ARG002
    ) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        state = parent.trace_state
        trace = state if isinstance(state, LocalTrace) else self.begin(parent, trace_id)
        decision = Decision.RECORD_AND_SAMPLE if trace.chosen else Decision.RECORD_ONLY
        return SamplingResult(decision, attributes, trace)

    def begin(self, parent: SpanContext, trace_id: int) -> LocalTrace:
        """Start the trace of a new local root.

        Unless callers are trusted, neither their trace ids nor the randomness in their trace state decide: with both,
        a caller could have every trace kept.

        Parameters:
            parent: The parent span in another process, if any.
            trace_id: The trace id of the root.
        """
        state = parent.trace_state
        if not parent.is_valid:
            chosen = randomness_of(trace_id) >= self._threshold
            return LocalTrace(self._tail, entries(state, self._threshold if chosen else None), chosen=chosen)
        if self._trust_parent:
            return LocalTrace(self._tail, list(state.items()), chosen=parent.trace_flags.sampled)
        random_value = own_randomness()
        chosen = random_value >= self._threshold
        changed = entries(state, self._threshold if chosen else None, random_value)
        return LocalTrace(self._tail, changed, chosen=chosen)

    def get_description(self) -> str:
        return f"TailSampler{{{self._share}}}"
