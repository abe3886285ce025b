"""WebSocket connections have metrics of their own; a handshake that is not accepted is an HTTP request."""

import asyncio

import pytest
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect, WebSocketException
from fastapi.responses import PlainTextResponse
from opentelemetry.trace import StatusCode

from tests.asgi import http_scope, websocket
from tests.http.series import one_series
from tests.http.served import eventually, served
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

TEXT = {"type": "websocket.receive", "text": "hello"}


def leaves(code):
    return {"type": "websocket.disconnect", "code": code}


def durations(telemetry):
    return scrape(telemetry).series("websocket_duration_seconds_count", "endpoint", "outcome")


@pytest.fixture
def chat():
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
async def test_a_connection_is_one_duration_by_template_and_outcome(chat, last, outcome):
    telemetry = setup_telemetry(chat)

    await websocket(chat, "/echo/7", [TEXT, TEXT, last])

    assert durations(telemetry) == {("/echo/{room}", outcome): 1}
    assert not scrape(telemetry).has("http_requests_total")


async def test_a_disconnect_that_the_application_handles_itself_has_the_same_outcome(chat):
    telemetry = setup_telemetry(chat)

    await websocket(chat, "/caught", [leaves(1006)])

    assert durations(telemetry) == {("/caught", "client_disconnect"): 1}


async def rejects(socket: WebSocket):
    await socket.close(1008)


async def raises_websocket_exception(socket):
    raise WebSocketException(1008)


async def denies(socket: WebSocket):
    await socket.send_denial_response(PlainTextResponse("too many", 429))


async def raises_http_exception(socket):
    raise HTTPException(401)


async def raises(socket: WebSocket):
    raise KeyError("token")


async def returns(socket: WebSocket):
    return


async def waits_for_the_client(socket):
    await socket.receive()
    await socket.receive()


async def raises_disconnect(socket):
    raise WebSocketDisconnect


HANDSHAKES = {
    "closed": (rejects, (), "403"),
    "websocket exception": (raises_websocket_exception, (), "403"),
    "denial response": (denies, (), "429"),
    "http exception": (raises_http_exception, (), "401"),
    "exception": (raises, (), "500"),
    "no answer": (returns, (), "500"),
    "disconnect of its own making": (raises_disconnect, (), "500"),
    "client leaves": (waits_for_the_client, (leaves(1006),), "499"),
}
DENIALS = {"extensions": {"websocket.http.response": {}}}


class TestAHandshakeThatIsNotAccepted:
    @pytest.mark.parametrize(("endpoint", "incoming", "status"), HANDSHAKES.values(), ids=HANDSHAKES)
    async def test_is_a_request_with_the_status_that_the_client_gets(self, chat, endpoint, incoming, status):
        @chat.websocket("/rooms/{room}")
        async def rooms(socket: WebSocket):
            await endpoint(socket)

        telemetry = setup_telemetry(chat)

        await websocket(chat, "/rooms/7", list(incoming), **DENIALS)

        assert one_series(telemetry) == {
            "method": "GET",
            "endpoint": "/rooms/{room}",
            "status_code": status,
            "user_role": "anonymous",
        }
        assert durations(telemetry) == {}
        assert scrape(telemetry).value("websocket_connections") == 0

    @pytest.mark.parametrize(("scheme", "of_http"), [("ws", "http"), ("wss", "https")])
    async def test_goes_out_with_the_scheme_of_http(self, app, received, scheme, of_http):
        telemetry = setup_telemetry(app, otlp_endpoint=received.url)
        await websocket(app, "/rejected", [], scheme=scheme)
        assert telemetry.force_flush(30)
        (point,) = received.points("http.server.request.duration")
        assert {item.key: item.value.string_value for item in point.attributes}["url.scheme"] == of_http

    # uvicorn still has its implementation by the legacy websockets, which both say is deprecated.
    @pytest.mark.filterwarnings(r"default:::(uvicorn|websockets)\.")
    @pytest.mark.parametrize("ws", ["websockets", "websockets-sansio"])
    async def test_has_the_status_that_uvicorn_sends(self, ws):
        refusing, upgrade = FastAPI(), "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        for name in (ends := ("closed", "denial response", "exception", "no answer")):
            refusing.websocket(f"/{name.replace(' ', '')}")(HANDSHAKES[name][0])
        telemetry, statuses = setup_telemetry(refusing), {}

        async with served(refusing, ws=ws) as connect:
            for name in ends:
                path = f"/{name.replace(' ', '')}"
                reader, writer = await connect()
                key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n{upgrade}{key}\r\n".encode())
                statuses[path, (await reader.readline()).split()[1].decode()] = 1
                writer.close()
            await eventually(lambda: scrape(telemetry).value("http_requests_total") == len(ends))

        assert scrape(telemetry).series("http_requests_total", "endpoint", "status_code") == statuses
        assert {status for _, status in statuses} == {"403", "429", "500"}

    async def test_without_a_route_is_unmatched(self, chat):
        telemetry = setup_telemetry(chat)

        await websocket(chat, "/nothing", [])

        assert one_series(telemetry)["endpoint"] == "unmatched"
        assert one_series(telemetry)["status_code"] == "403"

    async def test_counts_for_the_detection_of_abuse(self, chat):
        telemetry = setup_telemetry(chat)

        for _ in range(100):
            await websocket(chat, "/rejected", [])

        seen = scrape(telemetry)
        assert seen.value("http_requests_total", endpoint="/rejected", status_code="403") == 100
        assert seen.value("security_events_total", event_type="suspicious_access") == 1

    async def test_is_recorded_when_the_response_is_sent(self, chat):
        telemetry, go_on = setup_telemetry(chat), asyncio.Event()

        @chat.websocket("/busy")
        async def busy(socket: WebSocket):
            await socket.close()
            await go_on.wait()

        running = asyncio.create_task(websocket(chat, "/busy", []))
        await asyncio.sleep(0.01)
        during = scrape(telemetry)
        go_on.set()
        await running

        assert during.value("http_requests_total", status_code="403") == 1
        assert scrape(telemetry).value("http_requests_total", status_code="403") == 1


CODES = {None: "completed", 1000: "completed", 1001: "completed", 4000: "completed", 4403: "completed"}
CODES |= {3000: "completed", 1002: "error", 1003: "error", 1008: "error", 1011: "error", 1012: "error", 1013: "error"}


@pytest.mark.parametrize(("code", "outcome"), CODES.items())
async def test_the_close_code_of_the_application_decides_the_outcome(chat, code, outcome, spans):
    async def closes(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"} | ({} if code is None else {"code": code}))

    chat.mount("/closes", closes)
    telemetry = setup_telemetry(chat)

    await websocket(chat, "/closes/x", [])

    assert durations(telemetry) == {("/closes/{path}", outcome): 1}
    assert not scrape(telemetry).has("application_errors_total")
    (span,) = spans.get_finished_spans()
    assert span.attributes.get("error.type") == (str(code) if outcome == "error" else None)


async def returns_early(scope, receive, send):
    await send({"type": "websocket.accept"})


async def closes_after_the_client(scope, receive, send):
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
    await send({"type": "websocket.close", "code": 1011})


async def loses_its_database(scope, receive, send):
    await send({"type": "websocket.accept"})
    raise ConnectionRefusedError


@pytest.mark.parametrize(
    ("application", "incoming", "outcome"),
    [
        (returns_early, [], "error"),
        (closes_after_the_client, [leaves(1001)], "completed"),
        (closes_after_the_client, [leaves(1006)], "client_disconnect"),
        (loses_its_database, [], "error"),
    ],
)
async def test_the_side_that_ends_a_connection_decides_the_outcome(chat, application, incoming, outcome):
    chat.mount("/raw", application)
    telemetry = setup_telemetry(chat)

    await websocket(chat, "/raw/x", incoming)

    assert durations(telemetry) == {("/raw/{path}", outcome): 1}


@pytest.mark.parametrize("failure", [OSError, ConnectionResetError])
async def test_a_failed_send_to_a_client_that_left_is_a_client_disconnect(chat, failure):
    async def talks(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})

    chat.mount("/talks", talks)
    telemetry = setup_telemetry(chat)

    async def send(message):
        if message["type"] == "websocket.send":
            raise failure

    async def receive():
        raise AssertionError("the application has not called it")

    scope = {**http_scope("GET", "/talks/x"), "type": "websocket", "scheme": "ws", "subprotocols": []}
    with pytest.raises(failure):
        await chat(scope, receive, send)

    assert durations(telemetry) == {("/talks/{path}", "client_disconnect"): 1}
    assert not scrape(telemetry).has("application_errors_total")


async def test_an_exception_is_an_application_error_and_a_disconnect_is_not(chat):
    telemetry = setup_telemetry(chat)

    answer = await websocket(chat, "/echo/1", [{"type": "websocket.receive", "text": "boom"}])
    await websocket(chat, "/echo/1", [leaves(1006)])

    assert isinstance(answer.raised, ValueError)
    assert scrape(telemetry).series("application_errors_total", "error_type", "component") == {
        ("ValueError", "http_middleware"): 1
    }


async def test_open_connections_are_a_gauge_apart_from_requests_in_flight(chat):
    telemetry = setup_telemetry(chat)

    running = [asyncio.create_task(websocket(chat, "/echo/1", [TEXT])) for _ in range(3)]
    await asyncio.sleep(0.05)
    during = scrape(telemetry)
    for task in running:
        task.cancel()
    await asyncio.gather(*running)

    assert during.value("websocket_connections") == 3
    assert during.value("http_concurrent_connections") == 0
    assert scrape(telemetry).value("websocket_connections") == 0


async def test_a_connection_is_one_span(chat, spans):
    setup_telemetry(chat)

    await websocket(chat, "/echo/7", [TEXT, {"type": "websocket.receive", "text": "boom"}])

    (span,) = spans.get_finished_spans()
    assert span.name == "WS /echo/{room}"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert [event.name for event in span.events] == ["exception"]
