"""A fault inside any of our pieces changes no response."""

from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

from tests.asgi import get, websocket
from wxiai_otel import _guard, _runtime, prometheus, setup_telemetry
from wxiai_otel._business import BusinessTelemetry
from wxiai_otel._series import Series
from wxiai_otel._storage import StoredRecorder, _Distribution, _Total
from wxiai_otel.detection import Detector
from wxiai_otel.http import _exchange, _http, _route, _user, _websocket
from wxiai_otel.instruments import Instruments
from wxiai_otel.users import Activity

pytestmark = pytest.mark.faulty


class Broken(Exception):
    pass


def broken(*args, **kwargs):
    raise Broken


@pytest.fixture
def app():
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
    (_http.Http, "excluded"),
    (_http.Http, "parent"),
    (_http.Http, "method"),
    (BusinessTelemetry, "request"),
    (BusinessTelemetry, "user"),
    (Detector, "request"),
    (Activity, "saw"),
    (_user, "find_user"),
    (_exchange.HttpExchange, "__init__"),
    (_websocket.WebSocketExchange, "__init__"),
    (_exchange, "start_span"),
    (_exchange, "end_span"),
    (_exchange.HttpExchange, "_start_response"),
    (_exchange.HttpExchange, "_failed_by_application"),
    (_exchange.HttpExchange, "_before"),
    (_exchange.HttpExchange, "_record"),
    (_exchange.HttpExchange, "_finish"),
    (_exchange.HttpExchange, "_template"),
    (_exchange.HttpExchange, "_end"),
    (_exchange.HttpExchange, "_error_type"),
    (_exchange.HttpExchange, "_outcome"),
    (_exchange.HttpExchange, "handled_by"),
    (_exchange, "_is_last"),
    (_route.RouteTemplate, "handled_by"),
    (_route.RouteTemplate, "resolve"),
    (_websocket, "start_span"),
    (_websocket, "end_span"),
    (_websocket.WebSocketExchange, "_finish"),
    (_websocket.WebSocketExchange, "_outcome"),
    (_websocket.WebSocketExchange, "_failed_by_application"),
    (_websocket, "perf_counter"),
    (StoredRecorder, "record"),
    (_Total, "add"),
    (_Distribution, "add"),
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
async def test_a_fault_in_a_piece_changes_no_answer(app, owner, name, monkeypatch):
    expected = await answers(app)
    app.middleware_stack = None
    setup_telemetry(app)
    monkeypatch.setattr(owner, name, broken)
    before = sum(_guard.faults().values())

    assert await answers(app) == expected
    assert (await get(app, "/monitoring/metrics")).status == 200
    assert sum(_guard.faults().values()) > before or name == "find_user"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (_runtime, "build_resource"),
        (_runtime, "build_providers"),
        (_runtime, "install_route_hooks"),
        (_runtime, "LogCorrelation"),
        (prometheus, "EmbeddedReader"),
        (Instruments, "observe"),
    ],
)
async def test_a_fault_in_the_set_up_leaves_an_application_that_works(app, owner, name, monkeypatch):
    monkeypatch.setattr(owner, name, broken)

    telemetry = setup_telemetry(app)

    assert (await get(app, "/plain/1")).status == 200
    assert (await get(app, "/monitoring/metrics")).status == 200
    telemetry.shutdown()
