"""A fault inside any of our pieces changes no response."""

from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

from tests.asgi import get, websocket
from tests.internals import (
    BusinessTelemetry,
    Distribution,
    Series,
    StoredRecorder,
    Total,
    exchange,
    guard,
    http,
    route,
    runtime,
    user,
    websockets,
)
from wxiai_otel import prometheus, setup_telemetry
from wxiai_otel.detection import Detector
from wxiai_otel.instruments import Instruments
from wxiai_otel.users import Activity

pytestmark = pytest.mark.faulty


class Broken(Exception):
    pass


def broken(*args, **kwargs):
    raise Broken


@pytest.fixture
def shop():
    app = FastAPI()

    @app.get("/plain/{x}")
    async def plain(x: str, request: Request):
        request.state.user = SimpleNamespace(id=7, role="user")
        return x

    @app.get("/stream")
    async def stream():
        async def events():
            yield "data: 1\n\n"
            yield "data: 2\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/raises")
    async def raises():
        raise LookupError("of the application's")

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    return app


PIECES = [
    (http.Http, "excluded"),
    (http.Http, "parent"),
    (http.Http, "method"),
    (BusinessTelemetry, "request"),
    (BusinessTelemetry, "user"),
    (Detector, "request"),
    (Activity, "saw"),
    (user, "find_user"),
    (exchange.HttpExchange, "__init__"),
    (websockets.WebSocketExchange, "__init__"),
    (exchange, "start_span"),
    (exchange, "end_span"),
    (exchange.HttpExchange, "_start_response"),
    (exchange.HttpExchange, "_failed_by_application"),
    (exchange.HttpExchange, "_before"),
    (exchange.HttpExchange, "_record"),
    (exchange.HttpExchange, "_finish"),
    (exchange.HttpExchange, "_template"),
    (exchange.HttpExchange, "_end"),
    (exchange.HttpExchange, "_error_type"),
    (exchange.HttpExchange, "_outcome"),
    (exchange.HttpExchange, "handled_by"),
    (exchange, "_is_last"),
    (route.RouteTemplate, "handled_by"),
    (route.RouteTemplate, "resolve"),
    (websockets, "start_span"),
    (websockets, "end_span"),
    (websockets.WebSocketExchange, "_finish"),
    (websockets.WebSocketExchange, "_outcome"),
    (websockets.WebSocketExchange, "_failed_by_application"),
    (websockets, "perf_counter"),
    (StoredRecorder, "record"),
    (Total, "add"),
    (Distribution, "add"),
    (Series, "of"),
]


async def answers(app):
    plain, stream, raises = [await get(app, path) for path in ("/plain/1", "/stream", "/raises")]
    text = {"type": "websocket.receive", "text": "hello"}
    socket = await websocket(app, "/ws", [text])
    return (
        (plain.status, plain.body, plain.raised),
        (stream.status, stream.body, stream.raised),
        (raises.status, raises.body, type(raises.raised)),
        (socket.messages, socket.raised),
    )


@pytest.mark.parametrize(("owner", "name"), PIECES, ids=lambda piece: getattr(piece, "__name__", piece))
@pytest.mark.usefixtures("spans")
async def test_a_fault_in_a_piece_changes_no_answer(shop, owner, name, monkeypatch):
    expected = await answers(shop)
    shop.middleware_stack = None
    setup_telemetry(shop)
    monkeypatch.setattr(owner, name, broken)
    before = sum(guard.faults().values())

    assert await answers(shop) == expected
    assert (await get(shop, "/monitoring/metrics")).status == 200
    assert sum(guard.faults().values()) > before or name == "find_user"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (runtime, "build_resource"),
        (runtime, "build_providers"),
        (runtime, "install_route_hooks"),
        (runtime, "LogCorrelation"),
        (prometheus, "EmbeddedReader"),
        (Instruments, "observe"),
    ],
)
async def test_a_fault_in_the_set_up_leaves_an_application_that_works(shop, owner, name, monkeypatch):
    monkeypatch.setattr(owner, name, broken)

    telemetry = setup_telemetry(shop)

    assert (await get(shop, "/plain/1")).status == 200
    assert (await get(shop, "/monitoring/metrics")).status == 200
    telemetry.shutdown()
