"""WebSockets have a gauge and a histogram of their own, and are no HTTP requests."""

import asyncio

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from opentelemetry.trace import StatusCode

from tests.asgi import websocket
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

TEXT = {"type": "websocket.receive", "text": "hello"}


def leaves(code):
    return {"type": "websocket.disconnect", "code": code}


def durations(telemetry):
    return scrape(telemetry).series("websocket_duration_seconds_count", "endpoint", "outcome")


@pytest.fixture
def app():
    app = FastAPI()

    @app.websocket("/echo/{room}")
    async def echo(ws: WebSocket, room: str):
        await ws.accept()
        while True:
            text = await ws.receive_text()
            if text == "bye":
                await ws.close()
                return
            if text == "boom":
                raise ValueError(text)
            await ws.send_text(text)

    @app.websocket("/caught")
    async def caught(ws: WebSocket):
        await ws.accept()
        try:
            await ws.receive_text()
        except WebSocketDisconnect:
            await asyncio.sleep(0)

    @app.websocket("/rejected")
    async def rejected(ws: WebSocket):
        await ws.close()

    return app


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        ({"type": "websocket.receive", "text": "bye"}, "completed"),
        (leaves(1000), "completed"),
        (leaves(1001), "completed"),
        (leaves(1005), "completed"),
        (leaves(1006), "client_disconnect"),
        (leaves(1011), "client_disconnect"),
        ({"type": "websocket.receive", "text": "boom"}, "error"),
    ],
)
async def test_a_connection_is_one_duration_by_template_and_outcome(app, last, outcome):
    telemetry = setup_telemetry(app)

    await websocket(app, "/echo/7", [TEXT, TEXT, last])

    assert durations(telemetry) == {("/echo/{room}", outcome): 1}
    assert not scrape(telemetry).has("http_requests_total")


async def test_a_disconnect_that_the_application_handles_itself_has_the_same_outcome(app):
    telemetry = setup_telemetry(app)

    await websocket(app, "/caught", [leaves(1006)])

    assert durations(telemetry) == {("/caught", "client_disconnect"): 1}


async def test_a_rejected_connection_is_none(app):
    telemetry = setup_telemetry(app)

    await websocket(app, "/rejected", [])

    assert durations(telemetry) == {}


async def test_an_exception_is_an_application_error_and_a_disconnect_is_not(app):
    telemetry = setup_telemetry(app)

    answer = await websocket(app, "/echo/1", [{"type": "websocket.receive", "text": "boom"}])
    await websocket(app, "/echo/1", [leaves(1006)])

    assert isinstance(answer.raised, ValueError)
    assert scrape(telemetry).series("application_errors_total", "error_type", "component") == {
        ("ValueError", "http_middleware"): 1
    }


async def test_open_connections_are_a_gauge_apart_from_requests_in_flight(app):
    telemetry = setup_telemetry(app)

    running = [asyncio.create_task(websocket(app, "/echo/1", [TEXT])) for _ in range(3)]
    await asyncio.sleep(0.05)
    during = scrape(telemetry)
    for task in running:
        task.cancel()
    await asyncio.gather(*running)

    assert during.value("websocket_connections") == 3
    assert during.value("http_concurrent_connections") == 0
    assert scrape(telemetry).value("websocket_connections") == 0


async def test_a_connection_is_one_span(app, spans):
    setup_telemetry(app)

    await websocket(app, "/echo/7", [TEXT, {"type": "websocket.receive", "text": "boom"}])

    (span,) = spans.get_finished_spans()
    assert span.name == "WS /echo/{room}"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert [event.name for event in span.events] == ["exception"]
