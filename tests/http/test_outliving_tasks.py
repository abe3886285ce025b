"""Tasks that a request starts and that outlive it, and requests that are closed from elsewhere."""

import asyncio
import contextvars
import gc
import types
from collections.abc import Generator
from typing import Any
from weakref import ref

import pytest
from fastapi import FastAPI, Request
from opentelemetry import trace
from starlette.types import Message, Receive, Scope, Send

import wxiai_otel
from wxiai_otel import setup_telemetry


class Server:
    """What a server has of one request, e.g. its body and its transport."""

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b""}

    async def send(self, message: Message) -> None:
        pass


class Upload:
    """What the application keeps in the state of one request."""


def scope_of(kind: str, path: str) -> Scope:
    return {
        "type": kind,
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 4711),
    }


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("touches_span", [False, True], ids=["untouched", "touched"])
async def test_a_task_does_not_keep_its_request_alive(kind: str, touches_span: bool) -> None:
    app = FastAPI()
    tasks: list[asyncio.Task[Any]] = []
    alive: list[ref[Any]] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request({**scope, "type": "http"})
        request.state.upload = Upload()
        alive.append(ref(request.state.upload))
        if touches_span:
            trace.get_current_span().set_attribute("a", 1)
        tasks.append(asyncio.create_task(asyncio.sleep(60)))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})

    app.mount("/", handle)
    telemetry = setup_telemetry(app)
    for _ in range(3):
        server = Server()
        alive.append(ref(server))
        await app(scope_of(kind, "/x"), server.receive, server.send)
    del server
    gc.collect()
    kept = [one for one in alive if one() is not None]
    for task in tasks:
        task.cancel()
    telemetry.shutdown()
    assert not kept


async def test_what_outlives_a_request_still_reaches_the_server_and_the_user() -> None:
    app = FastAPI()
    ended = asyncio.Event()
    seen: list[Any] = []
    tasks: list[asyncio.Task[None]] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        Request(scope).state.user = types.SimpleNamespace(id=1, role="admin")

        async def later() -> None:
            await ended.wait()
            seen.append((await receive())["type"])
            wxiai_otel.record_error("Late", "background_task")

        tasks.append(asyncio.create_task(later()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/", handle)
    telemetry = setup_telemetry(app)
    server = Server()
    await app(scope_of("http", "/x"), server.receive, server.send)
    ended.set()
    await asyncio.gather(*tasks)
    exposition = telemetry.render_metrics()[0].decode()
    telemetry.shutdown()
    assert seen == ["http.request"]
    assert 'error_type="Late"' in exposition


@types.coroutine
def pause() -> Generator[None, None, None]:
    yield


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("excluded", [False, True], ids=["recorded", "excluded"])
def test_a_request_closed_from_another_context_logs_nothing(
    kind: str, excluded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await pause()

    app.mount("/", handle)
    telemetry = setup_telemetry(app, excluded_paths=["/x"] if excluded else [])
    server = Server()
    running: Any = app(scope_of(kind, "/x"), server.receive, server.send)
    contextvars.copy_context().run(running.send, None)
    contextvars.copy_context().run(running.close)
    telemetry.shutdown()
    assert [record.getMessage() for record in caplog.records if "ontext" in record.getMessage()] == []
