"""Requests of every kind, and the application that they are for."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.asgi import Answer, request, websocket

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@dataclass(frozen=True)
class Case:
    """One request. With `incoming` it is a WebSocket, and these are what the client sends."""

    name: str
    path: str
    method: str = "GET"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    leaves_after: float | None = None
    incoming: tuple[Message, ...] | None = None
    scope: dict[str, Any] = field(default_factory=dict)

    async def send(self, app: ASGIApp) -> Answer:
        scope = {"headers": [(b"host", b"test"), *self.headers], **self.scope}
        if self.incoming is not None:
            return await websocket(app, self.path, list(self.incoming), **scope)
        return await request(app, self.method, self.path, body=self.body, leaves_after=self.leaves_after, **scope)


def traceparent(flags: str = "01", trace: str = TRACE, parent: str = PARENT) -> tuple[bytes, bytes]:
    return b"traceparent", f"00-{trace}-{parent}-{flags}".encode()


def later_version() -> bytes:
    return b"cc" + traceparent()[1][2:] + b"-more"


SAYS_HELLO: Message = {"type": "websocket.receive", "text": "hello"}
LEAVES: Message = {"type": "websocket.disconnect", "code": 1000}
IS_LOST: Message = {"type": "websocket.disconnect", "code": 1006}

CASES = (
    # methods
    Case("get", "/items/7"),
    Case("post", "/items", "POST", body=b'{"a": 1}'),
    Case("put", "/items/7", "PUT"),
    Case("patch", "/items/7", "PATCH"),
    Case("delete", "/items/7", "DELETE"),
    Case("head", "/plain", "HEAD"),
    Case("head of a get-only route", "/items/7", "HEAD"),
    Case("options of a route", "/options", "OPTIONS"),
    Case("options where there are none", "/items/7", "OPTIONS"),
    Case("trace", "/items/7", "TRACE"),
    Case("unknown method", "/items/7", "PURGE"),
    Case("unknown method of a route", "/purge", "PURGE"),
    Case("method in lower case", "/items/7", "get"),
    Case("huge method", "/nothing", "M" * 5000),
    # routes
    Case("included", "/api/v1/users/5"),
    Case("included twice deep", "/api/v1/nested/deep/9"),
    Case("included not found", "/api/v1/nothing"),
    Case("path parameter", "/files/a/b/c.txt"),
    Case("plain starlette route", "/plain"),
    Case("mounted", "/shop/acme/s/1"),
    Case("mounted not found", "/shop/acme/nothing"),
    Case("mounted twice", "/star/two/4/leaf"),
    Case("mounted response", "/raw/any/thing"),
    Case("openapi", "/openapi.json"),
    Case("not found", "/nothing/here"),
    Case("root", "/"),
    Case("redirect of a trailing slash", "/items/7/"),
    Case("redirect to a trailing slash", "/slash"),
    Case("redirect in a mount", "/shop/acme/s/1/"),
    Case("redirect by a handler", "/redirect"),
    # users
    Case("user", "/me/vip"),
    Case("user of an unknown role", "/me/root"),
    Case("user who may not", "/me/pending/forbidden"),
    # statuses
    Case("204", "/status/204"),
    Case("304", "/status/304"),
    Case("400", "/status/400"),
    Case("500", "/status/500"),
    Case("503", "/status/503"),
    Case("599", "/status/599"),
    Case("http exception 404", "/raise/404"),
    Case("http exception 502", "/raise/502"),
    Case("validation error", "/items/x"),
    Case("validation error of a header", "/header", headers=((b"x-number", b"\xff"),)),
    Case("bad json", "/items", "POST", body=b"{"),
    # failures
    Case("exception in the handler", "/boom"),
    Case("exception without a message", "/boom/silent"),
    Case("exception in a class in a function", "/boom/local"),
    Case("exception in a dependency", "/boom/dependency"),
    Case("exception after a dependency's yield", "/boom/teardown"),
    Case("exception in base http middleware", "/middleware/base"),
    Case("exception in asgi middleware", "/middleware/asgi"),
    Case("answer of a middleware", "/middleware/answers"),
    Case("exception that a handler answers", "/boom/handled"),
    Case("exception whose handler fails", "/boom/twice"),
    Case("exception in a mounted application", "/shop/acme/boom"),
    Case("no answer", "/silent/x"),
    # background tasks and streams
    Case("background task", "/background"),
    Case("background task that fails", "/background/boom"),
    Case("sse", "/stream/sse"),
    Case("ndjson", "/stream/ndjson"),
    Case("stream that fails midway", "/stream/boom"),
    Case("stream that fails at once", "/stream/boom/first"),
    Case("client leaves before the response", "/slow", leaves_after=0.03),
    Case("client leaves a stream", "/stream/endless", leaves_after=0.05),
    # headers, addresses, paths
    Case("headers that are no text", "/items/7", headers=((b"x-\xff", b"\xfe\x00\xff"), (b"user-agent", b"\xff\xfe"))),
    Case("user agent", "/items/7", headers=((b"user-agent", b"curl/8"),)),
    Case("robot", "/items/7", headers=((b"user-agent", b"Googlebot/2.1"),)),
    Case("no host", "/items/7", scope={"headers": []}),
    Case("query", "/items/7?token=secret&a=1"),
    Case("query that is no utf-8", "/items/7", scope={"query_string": b"a=%ff"}),
    Case("path that is not ascii", "/files/你好/é"),
    Case("percent-encoded path", "/files/a b/ü", scope={"raw_path": b"/files/a%20b/%C3%BC"}),
    Case("control characters in the path", "/files/a\x00b\n"),
    Case("double slash", "//items//7"),
    Case("huge path", "/files/" + "x" * 20_000),
    Case("root path", "/proxy/items/7", scope={"root_path": "/proxy"}),
    Case("root path that is not in the path", "/items/7", scope={"root_path": "/proxy"}),
    Case("https", "/items/7", scope={"scheme": "https", "server": ("127.0.0.1", 443)}),
    Case("port 80", "/items/7", scope={"server": ("shop.example", 80)}),
    Case("ipv6", "/items/7", scope={"client": ("2001:db8::1", 50000), "server": ("::1", 8000)}),
    Case("unix socket", "/items/7", scope={"client": None, "server": ("/run/app.sock", None)}),
    Case("no client", "/items/7", scope={"client": None}),
    Case("no server", "/items/7", scope={"server": None}),
    Case("http 1.0", "/items/7", scope={"http_version": "1.0"}),
    Case("http 2", "/items/7", scope={"http_version": "2"}),
    # parents
    Case("sampled parent", "/items/7", headers=(traceparent("01"),)),
    Case("parent that is not sampled", "/items/7", headers=(traceparent("00"),)),
    Case("parent of a failure", "/boom", headers=(traceparent("01"),)),
    Case("parent of a 404", "/nothing", headers=(traceparent("01"),)),
    Case("parent with tracestate", "/items/7", headers=(traceparent(), (b"tracestate", b"a=1,b=2"))),
    Case("tracestate alone", "/items/7", headers=((b"tracestate", b"a=1"),)),
    Case("bad tracestate", "/items/7", headers=(traceparent(), (b"tracestate", b"\xff=,,=;" * 100))),
    Case("baggage", "/items/7", headers=(traceparent(), (b"baggage", b"k=v,%ff=%00"))),
    Case("traceparent in capitals", "/items/7", headers=((b"Traceparent", traceparent()[1]),)),
    Case("two traceparents", "/items/7", headers=(traceparent(), traceparent(parent="1" * 16))),
    Case("malformed traceparent", "/items/7", headers=((b"traceparent", b"00-zz-zz-01"),)),
    Case("traceparent of zeros", "/items/7", headers=(traceparent(trace="0" * 32),)),
    Case("traceparent of a later version", "/items/7", headers=((b"traceparent", later_version()),)),
    Case("traceparent of version ff", "/items/7", headers=((b"traceparent", b"ff" + traceparent()[1][2:]),)),
    Case("traceparent in upper case", "/items/7", headers=((b"traceparent", traceparent()[1].upper()),)),
    Case("huge traceparent", "/items/7", headers=((b"traceparent", b"0" * 100_000),)),
    Case("traceparent that is no text", "/items/7", headers=((b"traceparent", b"\xff\xfe\x00"),)),
    Case("empty traceparent", "/items/7", headers=((b"traceparent", b""),)),
    # WebSockets
    Case("websocket", "/ws/1", incoming=(SAYS_HELLO, LEAVES)),
    Case("websocket with a parent", "/ws/1", incoming=(LEAVES,), headers=(traceparent(),)),
    Case("websocket that is lost", "/ws/1", incoming=(IS_LOST,)),
    Case("websocket rejected", "/ws/rejected/1", incoming=()),
    Case("websocket failing", "/ws/boom/1", incoming=()),
    Case("websocket failing before acceptance", "/ws/boom/0", incoming=()),
    Case("websocket mounted", "/shop/acme/ws", incoming=(LEAVES,)),
    Case("websocket not found", "/ws", incoming=()),
)


class HandledError(Exception):
    """Has an exception handler."""


class TwiceError(Exception):
    """Has an exception handler that fails."""


class Dispatching(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        if request.url.path == "/middleware/base":
            raise PermissionError("base")
        if request.url.path == "/middleware/answers":
            return PlainTextResponse("teapot", 418)
        return await call_next(request)


class Raising:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/middleware/asgi":
            raise PermissionError("asgi")
        await self.app(scope, receive, send)


async def plain(request):
    return PlainTextResponse("plain")


async def silent(scope, receive, send):
    return None


def application() -> FastAPI:
    """The application that the cases are for."""
    app = FastAPI()
    app.add_middleware(Dispatching)
    app.add_middleware(Raising)
    _items(app)
    _routes(app)
    _users(app)
    _statuses(app)
    _failures(app)
    _streams(app)
    _websockets(app)
    return app


def _items(app: FastAPI) -> None:
    @app.api_route("/items/{item_id}", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def item(item_id: int):
        return item_id

    @app.post("/items")
    def create(values: dict[str, int]):
        return values

    app.api_route("/purge", methods=["PURGE"])(lambda: None)
    app.options("/options")(lambda: None)

    @app.get("/header")
    def header(x_number: Annotated[int, Header()]):
        return x_number


def _routes(app: FastAPI) -> None:
    app.add_route("/plain", plain)
    app.get("/files/{path:path}")(lambda path: path)
    app.get("/slash/")(lambda: None)
    app.get("/redirect")(lambda: RedirectResponse("/plain"))
    deep = APIRouter(prefix="/deep")
    deep.get("/{n}")(lambda n: n)
    users = APIRouter(prefix="/v1")
    users.get("/users/{user_id}")(lambda user_id: user_id)
    users.include_router(deep, prefix="/nested")
    app.include_router(users, prefix="/api")
    shop = FastAPI()
    shop.get("/s/{k}")(lambda k: k)
    shop.get("/boom")(lambda: 1 / 0)

    @shop.websocket("/ws")
    async def shop_ws(socket: WebSocket):
        await socket.accept()
        await socket.receive()

    app.mount("/shop/{tenant}", shop)
    app.mount("/star", Mount("", routes=[Mount("/two/{t}", routes=[Route("/leaf", plain)])]).app)
    app.mount("/raw", PlainTextResponse("raw"))
    app.mount("/silent", silent)


def _users(app: FastAPI) -> None:
    def authenticate(request: Request, role: str):
        request.state.user = {"id": 1, "role": role}

    def refuse(user: Annotated[None, Depends(authenticate)]):
        raise HTTPException(403)

    app.get("/me/{role}", dependencies=[Depends(authenticate)])(lambda: None)
    app.get("/me/{role}/forbidden", dependencies=[Depends(refuse)])(lambda: None)


def _statuses(app: FastAPI) -> None:
    @app.get("/status/{code}")
    def status(code: int):
        return Response(status_code=code)

    @app.get("/raise/{code}")
    def failing(code: int):
        raise HTTPException(code)


def _failures(app: FastAPI) -> None:
    def unavailable():
        raise LookupError("dependency")

    def torn_down():
        yield
        raise LookupError("teardown")

    @app.get("/boom")
    def boom():
        raise KeyError("x")

    @app.get("/boom/silent")
    def without_message():
        raise ValueError

    @app.get("/boom/local")
    def local():
        class LocalError(Exception):
            pass

        raise LocalError("é\n")

    app.get("/boom/dependency", dependencies=[Depends(unavailable)])(lambda: None)
    app.get("/boom/teardown", dependencies=[Depends(torn_down)])(lambda: None)

    @app.exception_handler(HandledError)
    async def handle(request, exception):
        return JSONResponse({}, 409)

    @app.exception_handler(TwiceError)
    async def fail(request, exception):
        raise RuntimeError("in the handler")

    @app.get("/boom/handled")
    def handled():
        raise HandledError

    @app.get("/boom/twice")
    def twice():
        raise TwiceError


def _streams(app: FastAPI) -> None:
    async def chunks(count: int, *, fails: bool):
        for number in range(count):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.001)
        if fails:
            raise ArithmeticError("midway")

    sse = "text/event-stream"
    app.get("/stream/sse")(lambda: StreamingResponse(chunks(3, fails=False), media_type=sse))
    app.get("/stream/ndjson")(lambda: StreamingResponse(chunks(3, fails=False), media_type="application/x-ndjson"))
    app.get("/stream/boom")(lambda: StreamingResponse(chunks(3, fails=True), media_type=sse))
    app.get("/stream/boom/first")(lambda: StreamingResponse(chunks(0, fails=True), media_type=sse))
    app.get("/stream/endless")(lambda: StreamingResponse(chunks(10**9, fails=False), media_type=sse))

    @app.get("/slow")
    async def slow():
        await asyncio.sleep(0.1)

    async def work():
        await asyncio.sleep(0)

    async def fail():
        raise OverflowError("background")

    @app.get("/background")
    def background(tasks: BackgroundTasks):
        tasks.add_task(work)

    @app.get("/background/boom")
    def background_boom(tasks: BackgroundTasks):
        tasks.add_task(fail)


def _websockets(app: FastAPI) -> None:
    @app.websocket("/ws/{n}")
    async def echo(socket: WebSocket):
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    @app.websocket("/ws/rejected/{n}")
    async def rejected(socket: WebSocket):
        await socket.close(1008)

    @app.websocket("/ws/boom/{accepts}")
    async def boom(socket: WebSocket, accepts: int):
        if accepts:
            await socket.accept()
        raise ArithmeticError("socket")
