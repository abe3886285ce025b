"""The spans of what this process asks of others: started only where somebody would receive them."""

from collections.abc import Mapping

# What suppresses every instrumentation. `is_instrumentation_enabled` looks each up in a context of its own.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_current
from opentelemetry.instrumentation.utils import _SUPPRESS_INSTRUMENTATION_KEY_PLAIN
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from ._version import SCOPE_NAME, VERSION
from .tracing import spans_received


class ClientSpans:
    """Starts spans of kind CLIENT.

    Parameters:
        tracer_provider: Makes the spans.
    """

    def __init__(self, tracer_provider: TracerProvider) -> None:
        self._tracer = tracer_provider.get_tracer(SCOPE_NAME, VERSION)
        self._processors = getattr(tracer_provider, "_active_span_processor", None)

    def wanted(self) -> Context | None:
        """The current context, where a span in it might be received by anybody."""
        if not spans_received(self._processors):
            return None
        context = get_current()
        if context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESS_INSTRUMENTATION_KEY_PLAIN):
            return None
        return context

    def start(self, name: str, attributes: Mapping[str, AttributeValue], context: Context) -> Span | None:
        """Start a span; ``None`` where it is not recorded.

        Parameters:
            name: Its name.
            attributes: All that is known of it; not changed.
            context: What `wanted` has given.
        """
        span = self._tracer.start_span(name, context, SpanKind.CLIENT, attributes)
        return span if span.is_recording() else None


def fail(span: Span, error_type: str, code: str | None = None) -> None:
    """Say that what was asked has failed, and nothing of its message, which may hold anything.

    Parameters:
        span: The span.
        error_type: The exception's class.
        code: The other side's own code of the error.
    """
    span.set_attribute("error.type", error_type)
    if code:
        span.set_attribute("db.response.status_code", code)
    span.set_status(Status(StatusCode.ERROR, f"{error_type} {code}" if code else error_type))
