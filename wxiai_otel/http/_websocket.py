"""One WebSocket connection, from its handshake to its end."""

import asyncio
from contextlib import suppress
from time import perf_counter, time_ns

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, set_span_in_context
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from .._guard import fault, guarded
from .._labels import exception_type
from .._request import current_request
from ..tracing import answered, settled
from ._exchange import enter, leave
from ._http import Http
from ._route import SCOPE_KEY, RouteTemplate
from ._span import end_span, start_span
from ._user import observe_user

# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1: closed in order, going away, closed without a code.
_ORDERLY_CODES = (1000, 1001, 1005)

# Of users who are active now five minutes are shown, ten seconds each.
_USER_SECONDS = 10.0

_SWITCHING_PROTOCOLS = 101
_REJECTED = 403


class WebSocketExchange:
    """The state of one connection. A connection is counted from its acceptance; a rejected one has a span only."""

    __slots__ = (
        "_accepted",
        "_closed",
        "_context",
        "_disconnect_code",
        "_exception",
        "_http",
        "_receive",
        "_route",
        "_scope",
        "_send",
        "_span",
        "_status",
        "_user_seen",
        "login_failure_recorded",
        "login_failure_seen",
    )

    def __init__(self, http: Http, scope: Scope, receive: Receive, send: Send) -> None:
        self._http = http
        self._scope = scope
        self._receive = receive
        self._send = send
        self._route = RouteTemplate()
        self._accepted: float | None = None
        self._closed = False
        self._disconnect_code: int | None = None
        self._status: int | None = None
        self._user_seen = 0.0
        self._exception: BaseException | None = None
        self.login_failure_recorded = False
        self.login_failure_seen = False
        # Another's server span looks for its parent itself, and is an internal one within a parent that is current.
        parent = http.parent(scope) if http.own_spans else get_current()
        self._span = start_span(http, scope, None, parent) if http.own_spans else INVALID_SPAN
        self._context = set_span_in_context(self._span, parent) if http.own_spans else parent
        observe_user(scope)
        scope[SCOPE_KEY] = self

    async def run(self, app: ASGIApp) -> None:
        """Have the application handle the connection."""
        token = enter(self._context)
        request_token = current_request.set(self)
        try:
            await app(self._scope, self.receive, self.send)
        except BaseException as exception:
            self._exception = exception
            raise
        finally:
            try:
                self._finish()
            except Exception:  # noqa: BLE001 - the application has done its work
                fault("websocket.finish")
            self._http.websockets.discard(self)
            self._scope.pop(SCOPE_KEY, None)
            self._exception = None
            leave(token)
            with suppress(ValueError):  # closed from another context, where ours is not current anyway
                current_request.reset(request_token)

    def role(self) -> str | None:
        """The label of the user's role, as far as the user is known by now."""
        return self._http.user(self._scope)[1]

    def client(self) -> str | None:
        """The address that the connection came from."""
        watch = self._http.watch
        return watch.address(self._scope) if watch is not None else None

    async def receive(self) -> Message:
        """ASGI receive, watching for the client's leaving."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self._closed:
            self._disconnect_code = message.get("code") or _ORDERLY_CODES[-1]
        elif self._accepted is not None and perf_counter() - self._user_seen > _USER_SECONDS:
            self._see_user()
        return message

    async def send(self, message: Message) -> None:
        """ASGI send, watching acceptance and end."""
        await self._send(message)
        if message["type"] != "websocket.send":
            self._watch(message)

    def handled_by(self, route: object, scope: Scope) -> None:
        """A route begins to handle the connection: called by the routes themselves."""
        self._route.handled_by(route, scope)
        if not self._http.own_spans:
            self._context = get_current()

    @guarded("websocket.user")
    def _see_user(self) -> None:
        """A connection may last for hours: its user is active as often as something comes."""
        self._user_seen = perf_counter()
        if self._http.watch is not None:
            self._http.watch.user(self._http.user(self._scope)[0])

    @guarded("websocket.send")
    def _watch(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._accepted = perf_counter()
            self._status = _SWITCHING_PROTOCOLS
            self._http.websockets.add(self)
            self._see_user()
            answered(self._context)
        elif kind == "websocket.close":
            self._closed = True
            if self._accepted is None:
                self._status = _REJECTED
        elif kind == "websocket.http.response.start":
            self._status = message["status"]

    def _finish(self) -> None:
        http = self._http
        route = self._route.resolve(self._scope)
        failed = self._failed_by_application()
        self._see_user()
        context = settled(self._context, failed=failed)
        if self._accepted is not None:
            duration = perf_counter() - self._accepted
            http.websocket_duration.record(duration, (route, self._outcome(failed=failed)), context)
        if failed:
            http.errors.record(1, (type(self._exception).__name__, "http_middleware"), context)
        if http.own_spans:
            exception = self._exception if failed else None
            error_type = exception_type(exception) if failed else None
            end_span(self._span, None, route, self._status, error_type, exception, time_ns())

    def _failed_by_application(self) -> bool:
        return isinstance(self._exception, Exception) and not isinstance(
            self._exception, WebSocketDisconnect | ConnectionError
        )

    def _outcome(self, *, failed: bool) -> str:
        if failed:
            return "error"
        code = getattr(self._exception, "code", self._disconnect_code)
        if isinstance(self._exception, asyncio.CancelledError | ConnectionError):
            return "client_disconnect"
        return "completed" if code is None or code in _ORDERLY_CODES else "client_disconnect"
