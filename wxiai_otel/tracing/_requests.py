"""What those who make spans tell of a trace, and ask of it. Nothing happens where the decision is not ours."""

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, get_current_span, set_span_in_context

from .._guard import fault, guarded
from ._trace import LocalTrace, sampled


@guarded("tracing.keep")
def keep(span: Span) -> None:
    """Keep the trace of a span."""
    trace = span.get_span_context().trace_state
    if isinstance(trace, LocalTrace):
        trace.tail.keep(trace)


@guarded("tracing.answered")
def answered(context: Context) -> None:
    """The first byte is sent: where the current span is the local root, its trace is judged by the time until now."""
    of_span = get_current_span(context).get_span_context()
    trace = of_span.trace_state
    if isinstance(trace, LocalTrace) and of_span.span_id == trace.root:
        trace.tail.answered(trace, failed=False)


def settled(context: Context, *, failed: bool) -> Context:
    """The context in which a request is recorded whose current span is about to end.

    Parameters:
        context: The request's.
        failed: Whether the span is going to say so.

    Returns:
        The same, with a current span that is flagged as sampled where its trace is kept.
    """
    try:
        of_span = get_current_span(context).get_span_context()
        trace = of_span.trace_state
        if isinstance(trace, LocalTrace):
            if of_span.span_id == trace.root:
                trace.tail.answered(trace, failed=failed)
            if trace.kept and not of_span.trace_flags.sampled:
                return set_span_in_context(NonRecordingSpan(sampled(of_span)), context)
    except Exception:  # noqa: BLE001 - the request is still to be counted
        fault("tracing.settled")
    return context
