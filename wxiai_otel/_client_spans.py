"""The spans of what this process asks of others: started only where somebody would receive them."""

# What suppresses every instrumentation: `is_instrumentation_enabled` gets the current context for each of them.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_current
from opentelemetry.instrumentation.utils import _SUPPRESS_INSTRUMENTATION_KEY_PLAIN
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_current_span

from ._held_spans import Attributes, Description, HeldSpan, HeldSpans
from ._version import SCOPE_NAME, VERSION
from .tracing import spans_received


class SdkSpan:
    """A span of the SDK's, for one call.

    Parameters:
        span: The span.
    """

    __slots__ = ("current",)

    def __init__(self, span: Span) -> None:
        self.current = span

    def end(
        self, failure: Attributes | None = None, description: str | None = None, end_time: int | None = None
    ) -> None:
        """End the span, with an error status if a failure is given.

        Parameters:
            failure: Attributes of the failure. See `failure_of`.
            description: Description of the failure.
            end_time: Nanoseconds since the epoch; by default now.
        """
        if failure is not None:
            self.current.set_attributes(failure)
            self.current.set_status(Status(StatusCode.ERROR, description))
        self.current.end(end_time)


ClientSpan = SdkSpan | HeldSpan


class ClientSpans:
    """Starts spans of kind CLIENT.

    Parameters:
        tracer_provider: Makes the spans.
    """

    def __init__(self, tracer_provider: TracerProvider) -> None:
        self._tracer = tracer_provider.get_tracer(SCOPE_NAME, VERSION)
        self._processors = getattr(tracer_provider, "_active_span_processor", None)
        self._held = HeldSpans.of(self._tracer, self._processors)

    def wanted(self) -> Context | None:
        """The current context, where a span in it might be received by anybody."""
        if not spans_received(self._processors):
            return None
        context = get_current()
        if context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESS_INSTRUMENTATION_KEY_PLAIN):
            return None
        return context

    def describe(self, name: str, attributes: Attributes) -> Description:
        """What `start` is given, made once for many calls."""
        return Description(name, attributes, attributes if self._held is None else self._held.bounded(attributes))

    def start(self, description: Description, context: Context) -> ClientSpan | None:
        """Start a span; ``None`` where it is not recorded.

        Parameters:
            description: All that is known of the call.
            context: What `wanted` has given.
        """
        if self._held is not None:
            held = self._held.start(description, get_current_span(context))
            if held is not None:
                return held
        span = self._tracer.start_span(description.name, context, SpanKind.CLIENT, description.attributes)
        return SdkSpan(span) if span.is_recording() else None


def failure_of(error_type: str, code: str | None = None) -> tuple[Attributes, str]:
    """What a span says of a failure, and nothing of its message, which may hold anything.

    Parameters:
        error_type: The exception's class.
        code: The other side's own code of the error.
    """
    if not code:
        return {"error.type": error_type}, error_type
    return {"error.type": error_type, "db.response.status_code": code}, f"{error_type} {code}"
