"""One WebSocket connection, from its handshake to its end."""

import asyncio
from contextlib import suppress
from functools import partial
from time import perf_counter, time_ns

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from .._guard import fault, guarded
from .._labels import exception_type
from .._request import current_request
from ..tracing import answered, settled
from ._exchange import CLIENT_CLOSED_REQUEST, SERVER_ERROR, enter, leave, only_client
from ._http import Http
from ._route import SCOPE_KEY, RouteTemplate
from ._span import end_span, start_span, within
from ._user import observe_user

# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1: closed in order, going away, closed without a code.
_ORDERLY_CODES = (1000, 1001, 1005)
# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2: libraries and applications define these codes and higher ones.
_FIRST_PRIVATE_CODE = 3000
_INTERNAL_ERROR = 1011

# Active users are counted in slots of ten seconds.
_USER_SECONDS = 10.0

_SWITCHING_PROTOCOLS = 101
_REJECTED = 403
_HANDSHAKE_METHOD = "GET"
_HANDSHAKE_SCHEMES = {"ws": "http", "wss": "https"}


class WebSocketExchange:
    """A WebSocket handshake being measured, and the connection that follows if it is accepted.

    A handshake that is not accepted is recorded as an HTTP request with the status that the client gets.
    """

    __slots__ = (
        "_accepted",
        "_client_left",
        "_close_code",
        "_closed",
        "_context",
        "_disconnect_code",
        "_exception",
        "_http",
        "_over",
        "_rejected",
        "_role",
        "_route",
        "_scope",
        "_span",
        "_started",
        "_status",
        "_user_seen",
        "login_failure_recorded",
        "login_failure_seen",
    )

    def __init__(self, http: Http, scope: Scope, _: Receive) -> None:
        self._started = perf_counter()
        self._http = http
        self._scope = scope
        self._role: str | None = None
        self._over = False
        self._route = RouteTemplate()
        self._accepted: float | None = None
        self._rejected = False
        self._closed = False
        self._close_code: int | None = None
        self._client_left = False
        self._disconnect_code: int | None = None
        self._status: int | None = None
        self._user_seen = 0.0
        self._exception: BaseException | None = None
        self.login_failure_recorded = False
        self.login_failure_seen = False
        # Another's server span looks for its parent itself, and is an internal one within a parent that is current.
        parent = http.parent(scope) if http.own_spans else http.surrounding()
        self._span = start_span(http, scope, None, parent) if http.own_spans else INVALID_SPAN
        self._context = parent
        if http.own_spans:
            self._context = within(self._span, parent)
        observe_user(scope)
        scope[SCOPE_KEY] = self

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Have the application handle the connection."""
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
                fault("websocket.finish")
            self._http.websockets.discard(self)
            self._forget()
            with suppress(ValueError):  # closed from another context, where ours is not current anyway
                current_request.reset(request_token)
                leave(token)

    def role(self) -> str | None:
        """The label of the user's role, as far as the user is known by now."""
        return self._role if self._over else self._http.user(self._scope)[1]

    def client(self) -> str | None:
        """The address that the connection came from."""
        watch = self._http.watch
        return watch.address(self._scope) if watch is not None else None

    def is_counted(self) -> bool:
        """Return ``False``: this is no request."""
        return False

    def _forget(self) -> None:
        """Let go of the connection: tasks that it has started keep this in their context for as long as they run."""
        self._role, self._over = self.role(), True
        self._scope.pop(SCOPE_KEY, None)
        self._scope = only_client(self._scope)
        self._exception = None

    async def receive(self, receive: Receive) -> Message:
        """ASGI receive: only the application calls it."""
        message = await receive()
        try:
            if message["type"] == "websocket.disconnect":
                self._client_leaves(message)
            elif self._accepted is not None and perf_counter() - self._user_seen > _USER_SECONDS:
                self._see_user()
        except Exception:  # noqa: BLE001 - the application still gets the message
            fault("websocket.receive")
        return message

    async def send(self, send: Send, message: Message) -> None:
        """ASGI send, watching acceptance and end."""
        # Before it is sent: servers and layers may change or empty the message.
        step = _step(message)
        try:
            await send(message)
        except OSError:
            # https://asgi.readthedocs.io/en/latest/specs/www.html#disconnected-client-send-exception
            self._client_left = True
            raise
        if step is not None:
            self._watch(*step)

    def handled_by(self, route: object, scope: Scope) -> None:
        """Note the route that handles the connection. Routes call this themselves."""
        self._route.handled_by(route, scope)
        if not self._http.own_spans:
            self._context = get_current()

    @guarded("websocket.user")
    def _see_user(self) -> None:
        """Record the user as active: a connection may last for hours."""
        self._user_seen = perf_counter()
        if self._http.watch is not None:
            self._http.watch.user(self._http.user(self._scope)[0])

    def _client_leaves(self, message: Message) -> None:
        if not self._closed:
            self._client_left = True
            self._disconnect_code = message.get("code") or _ORDERLY_CODES[-1]

    @guarded("websocket.send")
    def _watch(self, kind: str, code: int | None, more_body: bool) -> None:  # noqa: FBT001 - as `_step` returns it
        if kind == "websocket.accept":
            self._accepted = perf_counter()
            self._status = _SWITCHING_PROTOCOLS
            self._http.websockets.add(self)
            self._see_user()
            answered(self._context)
        elif kind == "websocket.close":
            if not self._closed and self._disconnect_code is None:
                self._closed = True
                self._close_code = code
            if self._status is None:
                self._status = _REJECTED
                self._reject()
        elif kind == "websocket.http.response.start":
            self._closed = True
            self._status = code
        elif kind == "websocket.http.response.body" and not more_body:
            self._reject()

    def _reject(self) -> None:
        """Record a handshake that is not accepted as an HTTP request, once."""
        if self._rejected:
            return
        self._rejected = True
        http = self._http
        route = self._route.resolve(self._scope)
        status = self._status or SERVER_ERROR
        user_id, role = http.user(self._scope)
        scheme = self._scope.get("scheme", "ws")
        error_type = self._error_type()
        http.request_duration.record(
            perf_counter() - self._started,
            (_HANDSHAKE_METHOD, route, status, role, _HANDSHAKE_SCHEMES.get(scheme, scheme), error_type, None),
            settled(self._context, failed=error_type is not None),
        )
        if http.watch is not None:
            self.login_failure_seen = http.watch.request(
                self._scope, _HANDSHAKE_METHOD, route, status, user_id, self.login_failure_recorded
            )

    def _finish(self) -> None:
        http = self._http
        if self._status is None:
            self._status = CLIENT_CLOSED_REQUEST if self._is_gone() else SERVER_ERROR
        failed = self._failed_by_application()
        error_type = self._error_type()
        route = self._route.resolve(self._scope)
        context = settled(self._context, failed=error_type is not None)
        if self._accepted is None:
            self._reject()
        else:
            self._see_user()
            duration = perf_counter() - self._accepted
            http.websocket_duration.record(duration, (route, self._outcome(error_type)), context)
        if failed:
            http.errors.record(1, (type(self._exception).__name__, "http_middleware"), context)
        if http.own_spans:
            exception = self._exception if failed else None
            end_span(self._span, None, route, self._status, error_type, exception, time_ns())

    def _is_gone(self) -> bool:
        return self._client_left or isinstance(self._exception, asyncio.CancelledError)

    def _failed_by_application(self) -> bool:
        if not isinstance(self._exception, Exception) or isinstance(self._exception, WebSocketDisconnect):
            return False
        return not (self._client_left and isinstance(self._exception, OSError))

    def _error_type(self) -> str | None:
        """Return the class of the exception, the status or the close code if the server side failed, else ``None``."""
        if self._failed_by_application():
            return exception_type(self._exception)
        if self._accepted is None:
            status = self._status or SERVER_ERROR
            return str(status) if status >= SERVER_ERROR else None
        if self._closed:
            return str(self._close_code) if _is_error(self._close_code) else None
        # If the application returns without closing, servers close with 1011 or drop the connection.
        ended = self._is_gone() or isinstance(self._exception, WebSocketDisconnect)
        return None if ended else str(_INTERNAL_ERROR)

    def _outcome(self, error_type: str | None) -> str:
        if error_type is not None:
            return "error"
        if self._closed:
            return "completed"
        code = self._disconnect_code
        if isinstance(self._exception, WebSocketDisconnect):
            code = self._exception.code
        return "completed" if code in _ORDERLY_CODES else "client_disconnect"


def _step(message: Message) -> tuple[str, int | None, bool] | None:
    """Return the type, code and ``more_body`` of a message that changes the state, ``None`` for any other."""
    try:
        kind: str = message["type"]
        if kind == "websocket.send":
            return None
        code = message.get("status") if kind == "websocket.http.response.start" else message.get("code")
        return kind, code, message.get("more_body", False)
    except Exception:  # noqa: BLE001 - the message is still sent
        fault("websocket.send")
        return None


def _is_error(code: int | None) -> bool:
    """Return whether a close code reports a failure of its sender."""
    return code is not None and code not in _ORDERLY_CODES and code < _FIRST_PRIVATE_CODE
