"""One HTTP request and its response: what is seen of it, and what is recorded at its end."""

import asyncio
from contextvars import Token
from functools import partial
from time import perf_counter, time_ns

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._guard import fault
from .._headers import first_of
from .._labels import exception_type
from .._request import current_request
from ..tracing import answered, settled
from ._http import Http
from ._route import SCOPE_KEY, RouteTemplate
from ._servers import has_left, request_cycle
from ._span import end_span, start_span, within
from ._user import observe_user

CLIENT_CLOSED_REQUEST = 499
SERVER_ERROR = 500

_NOWHERE = Context()

_BODY = ("http.response.body", "http.response.zerocopysend", "http.response.pathsend")


class HttpExchange:
    """The state of one request. Whatever it does is guarded, so that the application never sees a fault of it."""

    __slots__ = (
        "_complete",
        "_context",
        "_cycle",
        "_disconnected",
        "_ended",
        "_ended_ns",
        "_exception",
        "_first_byte",
        "_has_trailers",
        "_http",
        "_inherits",
        "_method",
        "_recorded",
        "_role",
        "_route",
        "_scope",
        "_span",
        "_started",
        "_status",
        "_stream",
        "login_failure_recorded",
        "login_failure_seen",
    )

    def __init__(self, http: Http, scope: Scope, receive: Receive) -> None:
        self._started = perf_counter()
        self._http = http
        self._scope = scope
        self._method = http.method(scope)
        self._route = RouteTemplate()
        self._status: int | None = None
        self._stream = False
        self._has_trailers = False
        self._first_byte: float | None = None
        self._ended: float | None = None
        self._ended_ns = 0
        self._complete = False
        self._recorded = False
        self._role: str | None = None
        self._disconnected = False
        self._cycle = request_cycle(receive)
        self._exception: BaseException | None = None
        self.login_failure_recorded = False
        self.login_failure_seen = False
        # Another's server span looks for its parent itself, and is an internal one within a parent that is current.
        parent = http.parent(scope) if http.own_spans else http.surrounding()
        self._inherits = not http.own_spans
        if http.own_spans:
            self._span: Span = start_span(http, scope, self._method, parent)
            self._context = within(self._span, parent)
        else:
            self._span = INVALID_SPAN
            self._context = parent
        observe_user(scope)
        scope[SCOPE_KEY] = self
        http.requests.add(self)

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Have the application handle the request."""
        receive, send = partial(self.receive, receive), partial(self.send, send)
        token = enter(self._context)
        request_token = current_request.set(self)
        try:
            await app(self._scope, receive, send)
        except BaseException as exception:
            self._exception = exception
            raise
        finally:
            try:
                self._finish()
            except Exception:  # noqa: BLE001 - the application has done its work
                fault("http.finish")
            self._http.requests.discard(self)
            self._forget()
            try:
                current_request.reset(request_token)
            except ValueError:  # closed from another context, where ours is not current anyway
                pass
            else:
                leave(token)

    def role(self) -> str | None:
        """The label of the user's role, as far as the user is known by now."""
        return self._role if self._recorded else self._http.user(self._scope)[1]

    def client(self) -> str | None:
        """The address that the request came from."""
        watch = self._http.watch
        return watch.address(self._scope) if watch is not None else None

    def is_counted(self) -> bool:
        """Return whether the request is still being handled: tasks that it has started may outlive it."""
        return "type" in self._scope

    def _forget(self) -> None:
        """Let go of the request: tasks that it has started keep this in their context for as long as they run."""
        self._scope.pop(SCOPE_KEY, None)
        self._scope = only_client(self._scope)
        self._exception = None
        self._cycle = None

    async def receive(self, receive: Receive) -> Message:
        """ASGI receive: only the application calls it."""
        message = await receive()
        try:
            if message["type"] == "http.disconnect":
                self._disconnected = True
        except Exception:  # noqa: BLE001 - the application still gets the message
            fault("http.receive")
        return message

    async def send(self, send: Send, message: Message) -> None:
        """ASGI send, watching the response."""
        starts = self._status is None
        # Before it is sent: servers and layers may change or empty the message.
        try:
            if self._first_byte is None:
                self._before(message)
            more = message.get("more_body") or self._ended is not None
            ends = not more and _is_last(message, has_trailers=self._has_trailers)
        except Exception:  # noqa: BLE001 - the response goes out all the same
            fault("http.send")
            ends = False
        try:
            await send(message)
        except BaseException as exception:
            # https://asgi.readthedocs.io/en/latest/specs/www.html#disconnected-client-send-exception
            self._disconnected = self._disconnected or isinstance(exception, OSError)
            if starts:
                self._status = None  # the server refused the message: nothing was sent
            raise
        if ends:
            try:
                self._complete = not (self._client_left() if self._cycle is not None else self._disconnected)
                self._end()
                self._record()
            except Exception:  # noqa: BLE001 - the response has been sent
                fault("http.send")

    def handled_by(self, route: object, scope: Scope) -> None:
        """Note the route that handles the request. Routes call this themselves."""
        self._route.handled_by(route, scope)
        if self._inherits:
            self._inherit_context()

    def _inherit_context(self) -> None:
        """Where the server span is another's, it is made inside of us, and is the current one from then on."""
        self._inherits = False
        self._context = get_current()

    def _before(self, message: Message) -> None:
        """Look at a message that the application sends, until the first byte of the body."""
        kind = message["type"]
        if kind == "http.response.start":
            if self._status is None:
                self._start_response(message)
        elif kind in _BODY:
            self._first_byte = perf_counter()
            if self._stream:
                answered(self._context)

    def _start_response(self, message: Message) -> None:
        # First, so that the status is recorded even if the rest of the message cannot be read.
        self._status = message["status"]
        if self._client_left() if self._cycle is not None else self._disconnected:
            self._status = CLIENT_CLOSED_REQUEST
        if self._inherits:
            self._inherit_context()
        self._has_trailers = message.get("trailers", False)
        content_type = first_of(message.get("headers"), b"content-type")
        if content_type is not None:
            self._stream = self._http.is_stream(bytes(content_type))

    def _client_left(self) -> bool:
        """Return whether the client has left, as far as that is known without asking the server."""
        if has_left(self._cycle):
            self._disconnected = True
        return self._disconnected

    def _finish(self) -> None:
        if not self._recorded:
            if self._ended is None:
                self._client_left()
                self._end()
            self._settle_status()
            self._record()
        failed = self._exception is not None and self._failed_by_application()
        if failed:
            context = self._settled(failed=True)
            self._http.errors.record(1, (type(self._exception).__name__, "http_middleware"), context)
        if self._http.own_spans and self._span.is_recording():
            end_span(
                self._span,
                self._method,
                self._template(),
                self._status,
                self._error_type(),
                self._exception if failed else None,
                self._ended_ns,
            )

    def _end(self) -> None:
        self._ended = perf_counter()
        self._ended_ns = time_ns()

    def _settle_status(self) -> None:
        """Set the status of a request without a response: 499 if the client left, otherwise 500."""
        if self._status is None:
            gone = self._disconnected or isinstance(self._exception, asyncio.CancelledError)
            self._status = CLIENT_CLOSED_REQUEST if gone else SERVER_ERROR

    def _failed_by_application(self) -> bool:
        if not isinstance(self._exception, Exception):
            return False
        return not (self._disconnected and isinstance(self._exception, ClientDisconnect | OSError))

    def _error_type(self) -> str | None:
        if self._exception is not None and self._failed_by_application():
            return exception_type(self._exception)
        status = self._status or 0
        return str(status) if status >= SERVER_ERROR else None

    def _template(self) -> str | None:
        return self._route.resolve(self._scope)

    def _record(self) -> None:
        """Record the request once, when its last byte is sent: background tasks are still to come."""
        if self._recorded or self._ended is None:
            return
        self._recorded = True
        try:
            http = self._http
            http.requests.discard(self)
            route = self._template()
            duration = self._ended - self._started
            scheme = self._scope.get("scheme", "http")
            stream = True if self._stream else None
            user_id, self._role = http.user(self._scope)
            error_type = self._error_type()
            context = self._settled(failed=error_type is not None)
            http.request_duration.record(
                duration,
                (self._method, route, self._status, self._role, scheme, error_type, stream),
                context,
            )
            if stream:
                if self._first_byte is not None:
                    http.first_byte.record(self._first_byte - self._started, (self._method, route), context)
                http.stream_duration.record(duration, (self._method, route, self._outcome()), context)
            if http.watch is not None:
                status = self._status or SERVER_ERROR
                self.login_failure_seen = http.watch.request(
                    self._scope, self._method, route, status, user_id, self.login_failure_recorded
                )
        except Exception:  # noqa: BLE001 - the response has been sent
            fault("http.record")

    def _settled(self, *, failed: bool) -> Context:
        """The context in which the request is recorded."""
        if self._http.own_spans and not self._span.is_recording():
            return _NOWHERE  # no exemplar is to be had
        return settled(self._context, failed=failed)

    def _outcome(self) -> str:
        if self._complete:
            return "completed"
        gone = self._disconnected or isinstance(self._exception, asyncio.CancelledError)
        return "client_disconnect" if gone and not self._failed_by_application() else "error"


def only_client(scope: Scope) -> Scope:
    """Return what is left of the scope of a request that has ended: how to find its client's address."""
    return {"client": scope.get("client"), "headers": scope.get("headers")}


def enter(context: Context) -> Token[Context] | None:
    """Make a context the current one. Return what `leave` needs."""
    try:
        return attach(context)
    except Exception:  # noqa: BLE001 - the application goes on without it
        fault("context.attach")
        return None


def leave(token: Token[Context] | None) -> None:
    """Undo `enter`."""
    if token is not None:
        try:
            detach(token)
        except Exception:  # noqa: BLE001 - the application has done its work
            fault("context.detach")


def _is_last(message: Message, *, has_trailers: bool) -> bool:
    kind: str = message["type"]
    if kind in ("http.response.body", "http.response.zerocopysend"):
        return not has_trailers and not message.get("more_body", False)
    if kind == "http.response.trailers":
        return not message.get("more_trailers", False)
    return kind == "http.response.pathsend"
