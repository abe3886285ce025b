"""The spans under one local root, and what is known of them."""

from collections import deque
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

if TYPE_CHECKING:
    from ._tail import TailProcessor


class LocalTrace(TraceState):
    """The trace below one local root. It is the trace state of its spans' contexts.

    So it is found from every span, ended or not, and in every thread and task that has one as its parent, and is freed
    with the last of them. Another process gets the entries only.

    Parameters:
        tail: Decides on it.
        entries: Of the trace state.
        chosen: Whether it is kept by probability. Its spans then say so to the services called.

    Attributes:
        kept: Whether its spans go out. Once true it stays so.
        decided: Whether spans that end wait no longer.
        root: The local root's span id; 0 until it has started.
        opened: When the root has started, by the monotonic clock.
        latency: Seconds that it is judged by; ``None``: those that the root is open.
        waiting: Spans that have ended and wait for the decision.
    """

    def __init__(self, tail: "TailProcessor", entries: list[tuple[str, str]] | None, *, chosen: bool) -> None:
        super().__init__(entries)
        self.tail = tail
        self.chosen = chosen
        self.kept = chosen
        self.decided = chosen
        self.root = 0
        self.opened = 0.0
        self.latency: float | None = None
        self.waiting: deque[ReadableSpan] = deque()

    def __reduce__(self) -> tuple[Any, ...]:
        return TraceState, (list(self.items()),)


def sampled(context: SpanContext) -> SpanContext:
    """The same span context with its sampled flag set."""
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state)
