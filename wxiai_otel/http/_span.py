"""The server span, by the stable semantic conventions for HTTP.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
"""

from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, set_span_in_context
from starlette.types import Scope

from .._database_errors import text_of
from .._headers import first_of
from .._redaction import MARGIN
from ..tracing import DeferredSpan, Start, UnrecordedSpan, record_exception
from ._http import OTHER_METHOD, Http

# As long as the SDK has attributes (see `wxiai_otel.providers`), which logs each that it cuts.
_MAX_TEXT = 4_096

# There is no public name for it.
_SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
_SIDES = (("server", "server.address", "server.port"), ("client", "client.address", "client.port"))


def start_span(http: Http, scope: Scope, method: str | None, parent: Context) -> Span:
    """Start the span of a request or WebSocket connection. Its route is not known yet.

    Parameters:
        http: Options and tracer.
        scope: The ASGI scope.
        method: The known method or ``_OTHER``; ``None`` for a WebSocket.
        parent: The context that the span belongs to.
    """
    if not http.receives_spans():
        return UnrecordedSpan(parent)
    if http.deferred_spans is not None:
        # The scope may have been changed by then, and the span may outlive it.
        start = Start(span_name(method), partial(_start_attributes, http, _without_state(scope), method))
        deferred = http.deferred_spans.start(start, parent)
        if deferred is not None:
            return deferred
    inside = trace.get_current_span(parent).get_span_context()
    # Called within a span of this process, as by an in-process client, the request is a part of that one's work.
    kind = SpanKind.INTERNAL if inside.is_valid and not inside.is_remote else SpanKind.SERVER
    return http.tracer.start_span(span_name(method), parent, kind, _start_attributes(http, scope, method))


def span_name(method: str | None, route: str | None = None) -> str:
    """The low-cardinality name: method and route, as far as they are known."""
    verb = "WS" if method is None else "HTTP" if method == OTHER_METHOD else method
    return f"{verb} {route}" if route else verb


def end_span(
    span: Span,
    method: str | None,
    route: str | None,
    status: int | None,
    error_type: str | None,
    exception: BaseException | None,
    end_time: int,
) -> None:
    """Give the span what is known at the end, and end it.

    Parameters:
        span: The span.
        method: As at the start.
        route: The template, or ``None``.
        status: The status that the client was sent, or ``None``.
        error_type: The exception's class or the status, where the exchange failed on our side.
        exception: What the application raised.
        end_time: The time of the last byte, in nanoseconds since the epoch.
    """
    if error_type is None and isinstance(span, DeferredSpan) and span.dropped(end_time):
        return
    if span.is_recording():
        attributes: dict[str, str | int] = {}
        if route is not None:
            span.update_name(span_name(method, route))
            attributes["http.route"] = route
        if status is not None:
            attributes["http.response.status_code"] = status
        if error_type is not None:
            attributes["error.type"] = error_type
            description = None if exception is None else f"{type(exception).__name__}: {text_of(exception)}"
            span.set_status(Status(StatusCode.ERROR, description and description[: _MAX_TEXT + MARGIN]))
        if attributes:
            span.set_attributes(attributes)
        if exception is not None:
            record_exception(span, exception)
    span.end(end_time)


def within(span: Span, parent: Context) -> Context:
    """Return a context like its parent in which the span is the current one.

    `set_span_in_context` copies the parent twice.
    """
    return Context({**parent, _SPAN_KEY: span})


def _without_state(scope: Scope) -> Scope:
    """Return a copy of a scope that keeps neither the application nor what it stores in a request alive."""
    kept = dict(scope)
    kept.pop("state", None)
    kept.pop("app", None)
    return kept


def _start_attributes(http: Http, scope: Scope, method: str | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {"url.scheme": scope.get("scheme", "http"), "url.path": scope["path"][:_MAX_TEXT]}
    if method is not None:
        attributes["http.request.method"] = method
        if method == OTHER_METHOD:
            attributes["http.request.method_original"] = scope["method"][:_MAX_TEXT]
    if version := scope.get("http_version"):
        attributes["network.protocol.version"] = version
    for side, address_key, port_key in _SIDES:
        if address := scope.get(side):
            attributes[address_key] = address[0]
            if address[1] is not None:
                attributes[port_key] = address[1]
    if http.captures:
        attributes.update(_captured(http, scope))
    return attributes


def _captured(http: Http, scope: Scope) -> dict[str, str]:
    """What leaves the process only where a setting asks for it: the query string and the User-Agent header."""
    captured: dict[str, str] = {}
    if http.capture_query and (query := scope.get("query_string")):
        captured["url.query"] = query[:_MAX_TEXT].decode("latin-1")
    if http.capture_user_agent:
        agent = first_of(scope.get("headers"), b"user-agent")
        if agent is not None:
            captured["user_agent.original"] = agent[:_MAX_TEXT].decode("latin-1")
    return captured
