"""Only the application calls ``receive``, which behaves as without telemetry."""

import asyncio
import logging
from functools import partial
from logging.handlers import MemoryHandler

import anyio
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from tests.asgi import http_scope
from tests.http.series import one_series
from tests.http.served import eventually, served
from tests.internals import faults
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

CHUNKS = [b"one ", b"two ", b"three"]


async def turns(number):
    """Let the event loop turn: unlike seconds, as often beside a busy machine."""
    for _ in range(number):
        await asyncio.sleep(0)


async def echo(scope, receive, send):
    """Respond first, and read the body afterwards."""
    await turns(40)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


async def reads_first(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await turns(40)
    await PlainTextResponse(body)(scope, receive, send)


async def never_reads(scope, receive, send):
    await turns(40)
    await PlainTextResponse("busy", 503)(scope, receive, send)


def base_http_middleware(app):
    async def dispatch(request, call_next):
        return await call_next(request)

    return BaseHTTPMiddleware(app, dispatch)


def waits_in_a_task(app):
    async def layer(scope, receive, send):
        async def receive_in_time():
            return await asyncio.wait_for(receive(), 30)

        await app(scope, receive_in_time, send)

    return layer


def waits_in_a_task_group(app):
    async def layer(scope, receive, send):
        async def receive_in_group():
            found = []

            async def get():
                found.append(await receive())

            async with anyio.create_task_group() as group:
                group.start_soon(get)
            return found[0]

        await app(scope, receive_in_group, send)

    return layer


def reads_the_body_before(app):
    async def layer(scope, receive, send):
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())

        async def replay():
            return messages.pop(0) if messages else await receive()

        await app(scope, replay, send)

    return layer


class Callable:
    """A `receive` that is not a function and whose attributes must not be read."""

    def __init__(self, receive):
        self._call = receive

    async def __call__(self):
        return await self._call()

    def __getattr__(self, name):
        raise AssertionError(f"{name} has been read")


def wrapped(wrap):
    def around(app):
        async def layer(scope, receive, send):
            await app(scope, wrap(receive), send)

        return layer

    return around


LAYERS = {
    "nothing": lambda app: app,
    "BaseHTTPMiddleware": base_http_middleware,
    "wait_for": waits_in_a_task,
    "task group": waits_in_a_task_group,
    "pre-read body": reads_the_body_before,
    "callable object": wrapped(Callable),
    "partial": wrapped(partial),
    "future": wrapped(lambda receive: lambda: asyncio.ensure_future(receive())),
}


async def exchange(app):
    """Return the messages that an application receives and sends, given a chunk of the body every few turns."""
    queue, events = asyncio.Queue(), []

    async def client():
        for number, chunk in enumerate(CHUNKS, 1):
            await queue.put({"type": "http.request", "body": chunk, "more_body": number < len(CHUNKS)})
            await turns(10)

    async def receive():
        events.append("receive")
        message = await queue.get()
        events.append(message["type"])
        return message

    async def send(message):
        events.append((message["type"], message.get("body")))

    async with asyncio.timeout(30):
        sending = asyncio.create_task(client())
        await app(http_scope("POST", "/raw/x"), receive, send)
        await sending
    return events


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("application", [echo, reads_first, never_reads])
async def test_receive_is_called_as_without_telemetry(application, layer):
    def made():
        app = FastAPI()
        app.mount("/raw", application)
        return app

    app, before = made(), faults()
    telemetry = setup_telemetry(app)

    assert await exchange(layer(app)) == await exchange(layer(made()))
    assert one_series(telemetry)["status_code"] == ("503" if application is never_reads else "200")
    assert faults() == before


def test_a_handler_that_keeps_log_records_fails_no_request_below_a_middleware():
    parent, api = FastAPI(), FastAPI()
    parent.mount("/api", api)

    @parent.middleware("http")
    async def through(request, call_next):
        return await call_next(request)

    @api.post("/orders")
    async def order(request: Request):
        await request.json()
        await asyncio.sleep(0.02)

    setup_telemetry(api)
    handler, before = MemoryHandler(1000), faults()
    logging.getLogger().addHandler(handler)
    try:
        answer = TestClient(parent).post("/api/orders", json={})
    finally:
        logging.getLogger().removeHandler(handler)

    assert answer.status_code == 200
    assert faults() == before


class Abort(BaseException):
    """A `BaseException` that nothing may catch."""


@pytest.mark.parametrize("failure", [Abort, asyncio.CancelledError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("reads", [True, False])
async def test_only_the_application_gets_exceptions_of_receive(failure, reads):
    async def application(scope, receive, send):
        await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if reads:
            await receive()
        raise ValueError("the application's own")

    raised = failure("of the server")

    async def receive():
        raise raised

    async def send(message):
        pass

    app = FastAPI()
    app.mount("/raw", application)
    setup_telemetry(app)

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        await app(http_scope("GET", "/raw/x"), receive, send)
    assert caught.value is raised if reads else isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "message", [None, {}, {"type": None}, {"body": b""}, 7], ids=["none", "empty", "no type", "untyped", "number"]
)
@pytest.mark.faulty
async def test_messages_outside_asgi_reach_the_application(message):
    received = []

    async def application(scope, receive, send):
        received.append(await receive())
        await PlainTextResponse("")(scope, receive, send)

    async def receive():
        return message

    async def send(message):
        pass

    app = FastAPI()
    app.mount("/raw", application)
    setup_telemetry(app)
    await app(http_scope("GET", "/raw/x"), receive, send)

    assert received == [message]


def slow_application():
    app = FastAPI()
    app.state.began, app.state.goes_on = asyncio.Event(), asyncio.Event()

    @app.middleware("http")
    async def refuse(request: Request, call_next):
        if "authorization" in request.headers or request.method == "GET":
            return await call_next(request)
        await asyncio.sleep(0.02)
        return PlainTextResponse("no", 401)

    @app.get("/slow")
    async def slow(seconds: float = 0.1):
        await asyncio.sleep(seconds)

    @app.get("/held")
    async def held():
        app.state.began.set()
        await app.state.goes_on.wait()

    @app.get("/stream")
    async def stream():
        async def events():
            while True:
                yield "data: .\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def deaf(scope, receive, send):
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while not app.state.goes_on.is_set():
            await send({"type": "http.response.body", "body": b"data: .\n\n", "more_body": True})
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b""})

    app.mount("/deaf", deaf)
    return app


async def leave(app, connect, writer):
    """Close a connection, and let the application go on once the server knows."""
    writer.close()
    await eventually(lambda: not connect.connections)
    app.state.goes_on.set()


def counted(telemetry):
    return scrape(telemetry).series("http_requests_total", "endpoint", "status_code")


@pytest.mark.parametrize("http", ["h11", "httptools"])
class TestUvicorn:
    async def test_a_response_without_reading_the_body_sends_no_100_continue(self, http):
        app = slow_application()
        setup_telemetry(app)
        async with served(app, http=http) as connect:
            reader, writer = await connect()
            writer.write(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
            first = await reader.readline()
            writer.close()

        assert first.startswith(b"HTTP/1.1 401")

    async def test_a_client_that_leaves_before_the_response_is_499(self, http):
        app = slow_application()
        telemetry = setup_telemetry(app)
        async with served(app, http=http) as connect:
            _, writer = await connect()
            writer.write(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
            await app.state.began.wait()
            await leave(app, connect, writer)
            await eventually(lambda: counted(telemetry))

        assert counted(telemetry) == {("/held", "499"): 1}
        assert not scrape(telemetry).has("application_errors_total")

    async def test_behind_a_layer_that_wraps_receive_the_status_that_was_sent_counts(self, http):
        app = slow_application()
        telemetry = setup_telemetry(app)
        async with served(waits_in_a_task(app), http=http) as connect:
            _, writer = await connect()
            writer.write(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
            await app.state.began.wait()
            await leave(app, connect, writer)
            await eventually(lambda: counted(telemetry))

        assert counted(telemetry) == {("/held", "200"): 1}

    @pytest.mark.parametrize("path", ["/stream", "/deaf/x"])
    async def test_a_client_that_leaves_a_stream_is_a_client_disconnect(self, http, path):
        app = slow_application()
        telemetry = setup_telemetry(app)

        def outcomes():
            return scrape(telemetry).series("http_stream_duration_seconds_count", "outcome")

        async with served(app, http=http) as connect:
            reader, writer = await connect()
            writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            await reader.readuntil(b"data: .")
            await leave(app, connect, writer)
            await eventually(outcomes)

        assert outcomes() == {("client_disconnect",): 1}

    async def test_pipelined_requests_count_one_by_one(self, http):
        app = slow_application()
        telemetry = setup_telemetry(app)
        async with served(app, http=http) as connect:
            reader, writer = await connect()
            get = b"GET /slow?seconds=0.02 HTTP/1.1\r\nhost: x\r\n%s\r\n"
            writer.write(get % b"" + get % b"" + get % b"connection: close\r\n")
            answer = await reader.read()
            writer.close()

        assert answer.count(b"HTTP/1.1 200") == 3
        assert counted(telemetry) == {("/slow", "200"): 3}
