"""What the HTTP path of one application shares between its requests: instruments, tracer and options."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Protocol

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette._utils import get_route_path
from starlette.types import Scope

from .._guard import fault
from .._headers import has_any, readable, values_of
from .._request import note_around
from ..instruments import Instruments, Values
from ..settings import Settings
from ..tracing import DeferredSpans
from ._user import Users

OTHER_METHOD = "_OTHER"

# https://www.w3.org/TR/baggage/#limits
_MAX_HEADER = 8_192

_W3C = (TraceContextTextMapPropagator, W3CBaggagePropagator)
_W3C_HEADERS = frozenset((b"traceparent", b"tracestate", b"baggage"))
_BLANKS = 32 * " "


class _ScopeGetter(Getter[Scope]):
    """Reads the headers of an ASGI scope; a header sent several times is one list, as RFC 9110 has it."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        values = [value.decode("latin-1") for value in values_of(carrier.get("headers"), key.lower().encode("latin-1"))]
        return values if values and not _is_hostile(values) else None

    def keys(self, carrier: Scope) -> list[str]:
        return [header[0].decode("latin-1") for header in readable(carrier.get("headers"))]


def _is_hostile(values: list[str]) -> bool:
    """What nobody's tracing sends.

    Upstream's parsers take the square of a run of blanks, on the event loop, and log what is too long for them.
    """
    padded = (_BLANKS in value.replace("\t", " ") for value in values)
    return sum(map(len, values)) > _MAX_HEADER or any(padded)


_GETTER = _ScopeGetter()


class InFlight:
    """Exchanges in flight. A set, because adding and removing are atomic and counting then needs no lock."""

    def __init__(self) -> None:
        self._exchanges: set[object] = set()
        self.add = self._exchanges.add
        self.discard = self._exchanges.discard

    def observe(self) -> Iterable[tuple[Values, float]]:
        """The number of exchanges in flight, without attributes."""
        return (((), len(self._exchanges)),)


class Process(Protocol):
    """What the HTTP paths of all applications of a process share."""

    tracer: Tracer
    instruments: Instruments
    requests: InFlight
    websockets: InFlight
    deferred_spans: DeferredSpans | None

    @property
    def receives_spans(self) -> Callable[[], bool]:
        """Whether there is somebody who receives spans."""

    @property
    def watch(self) -> "Watch | None":
        """Is told of each request that has ended."""


class Watch(Protocol):
    """What is told of each request that has ended: who it was, and what became of it."""

    def address(self, scope: Scope) -> str | None:
        """The address that a request came from."""

    def user(self, user_id: object) -> None:
        """A user was active."""

    def request(
        self,
        scope: Scope,
        method: str,
        route: str | None,
        status: int,
        user_id: object,
        login_failure_recorded: bool,  # noqa: FBT001 - by position, once a request
    ) -> bool:
        """A request has ended.

        Parameters:
            scope: Its ASGI scope.
            method: Its known method.
            route: The template; ``None`` where no route has handled it.
            status: The status that was sent.
            user_id: The id of its user, if any.
            login_failure_recorded: Whether the application has recorded it as a failed login itself.

        Returns:
            Whether it was counted as a failed login.
        """


class Http:
    """Options and instruments of one application's HTTP path.

    Parameters:
        settings: The application's settings.
        process: What the process has once: instruments, tracer, exchanges in flight.
        own_spans: Whether the server span is ours, or made by opentelemetry-instrumentation-fastapi.
    """

    def __init__(self, settings: Settings, process: Process, *, own_spans: bool) -> None:
        instruments = process.instruments
        self.tracer = process.tracer
        self.requests = process.requests
        self.websockets = process.websockets
        self.watch = process.watch
        self.own_spans = own_spans
        self.receives_spans = process.receives_spans
        self.deferred_spans = process.deferred_spans
        self.request_duration = instruments["http.server.request.duration"]
        self.first_byte = instruments["http.stream.first_byte"]
        self.stream_duration = instruments["http.stream.duration"]
        self.websocket_duration = instruments["websocket.duration"]
        self.errors = instruments["application.errors"]
        self.capture_query = settings.capture_query
        self.capture_user_agent = settings.capture_user_agent
        self.captures = settings.capture_query or settings.capture_user_agent
        self.known_methods = frozenset(settings.known_methods)
        stream_types = frozenset(kind.lower().encode("latin-1") for kind in settings.stream_content_types)
        # Applications send the same few values with every response.
        self.is_stream = lru_cache(maxsize=64)(partial(_is_one_of, stream_types))
        self.user = Users(settings).of
        own = (f"{settings.prefix}/health", f"{settings.prefix}/metrics")
        self._excluded = frozenset((*own, *(path for path in settings.excluded_paths if not path.endswith("*"))))
        self._excluded_prefixes = tuple(path[:-1] for path in settings.excluded_paths if path.endswith("*"))

    def excluded(self, scope: Scope) -> bool:
        """Whether the request has no telemetry at all."""
        path = get_route_path(scope) if scope.get("root_path") else scope["path"]
        return path in self._excluded or (bool(self._excluded_prefixes) and path.startswith(self._excluded_prefixes))

    def surrounding(self) -> Context:
        """Return the current context, and note the request of its span: no middleware around us may count it again."""
        current = get_current()
        if current and (span := trace.get_current_span(current)) is not trace.INVALID_SPAN:
            note_around(span)
        return current

    def parent(self, scope: Scope) -> Context:
        """The context that the request belongs to: the caller's, where its headers name one."""
        current = get_current()
        if current and (span := trace.get_current_span(current)) is not trace.INVALID_SPAN:
            note_around(span)
            return current
        propagator = propagate.get_global_textmap()
        if _reads_only_w3c_headers(propagator) and not has_any(scope.get("headers"), _W3C_HEADERS):
            return current
        try:
            return propagator.extract(scope, current, _GETTER) or current
        except Exception:  # noqa: BLE001 - the propagator may be application code
            fault("http.extract")
            return current

    def method(self, scope: Scope) -> str:
        """The request's method where it is a known one, else ``_OTHER``."""
        method: str = scope["method"]
        return method if method in self.known_methods else OTHER_METHOD


def _is_one_of(types: frozenset[bytes], content_type: bytes) -> bool:
    return content_type.split(b";", 1)[0].strip().lower() in types


def _reads_only_w3c_headers(propagator: object) -> bool:
    """Return whether a propagator reads only W3C headers, so that requests without one have no context to extract.

    This holds only for OpenTelemetry's default propagators. Others, e.g. those for B3, read headers that they do not
    list in ``fields``.
    """
    global _last  # noqa: PLW0603 - one tuple, replaced in one step
    last, known = _last
    if last is not propagator:
        kind = type(propagator)
        parts = [propagator]
        if kind is CompositePropagator:
            # No public way lists the propagators of a composite.
            parts = getattr(propagator, "_propagators", [None])
        known = all(type(part) in _W3C for part in parts)
        _last = propagator, known
    return known


_last: tuple[object, bool] = (None, False)
