"""Streams have histograms of their own: time to the first byte, lifetime, outcome."""

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

from tests.asgi import get
from tests.scrape import scrape
from wxiai_otel import setup_telemetry


class Through(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


def streaming(app: FastAPI, chunks, media_type="text/event-stream"):
    @app.get("/chat")
    async def chat():
        return StreamingResponse(chunks(), media_type=media_type)


async def three_events():
    for number in range(3):
        await asyncio.sleep(0)
        yield f"data: {number}\n\n"


def outcomes(telemetry):
    return scrape(telemetry).series("http_stream_duration_seconds_count", "method", "endpoint", "outcome")


@pytest.mark.parametrize(
    "media_type", ["text/event-stream", "text/event-stream; charset=utf-8", "application/x-ndjson"]
)
@pytest.mark.parametrize("within", [None, Through])
async def test_a_stream_is_counted_as_a_request_and_left_out_of_the_durations(media_type, within):
    app = FastAPI()
    if within:
        app.add_middleware(within)
    telemetry = setup_telemetry(app)
    streaming(app, three_events, media_type)

    answer = await get(app, "/chat")

    seen = scrape(telemetry)
    assert answer.body.count(b"data") == 3
    assert seen.value("http_requests_total", endpoint="/chat", status_code="200") == 1
    assert not seen.has("http_request_duration_seconds_count")
    assert outcomes(telemetry) == {("GET", "/chat", "completed"): 1}


async def test_the_first_byte_and_the_lifetime_are_apart(telemetry):
    app = FastAPI()
    setup_telemetry(app)
    clock = telemetry.freeze_clock()

    async def chunks():
        for number in range(3):
            clock.tick(2)
            yield f"data: {number}\n\n"

    streaming(app, chunks)
    await get(app, "/chat")

    assert telemetry.histogram("http_stream_first_byte_seconds", endpoint="/chat").sum == 2
    assert telemetry.histogram("http_stream_duration_seconds", endpoint="/chat").sum == 6
    assert telemetry.span("GET /chat").duration == 6


async def test_what_is_a_stream_is_a_setting():
    app = FastAPI()
    telemetry = setup_telemetry(app, stream_content_types=["Application/Vnd.Mine"])
    streaming(app, three_events, "application/vnd.mine")

    await get(app, "/chat")

    assert outcomes(telemetry) == {("GET", "/chat", "completed"): 1}


@pytest.mark.parametrize("within", [None, Through])
async def test_an_ordinary_response_in_many_chunks_is_no_stream(within):
    app = FastAPI()
    if within:
        app.add_middleware(within)
    telemetry = setup_telemetry(app)
    streaming(app, three_events, "text/csv")

    await get(app, "/chat")

    seen = scrape(telemetry)
    assert seen.value("http_request_duration_seconds_count", endpoint="/chat") == 1
    assert not seen.has("http_stream_duration_seconds_count")


@pytest.mark.parametrize("within", [None, Through])
async def test_a_client_that_leaves_during_a_stream_is_an_outcome_of_its_own_and_no_error(within):
    app = FastAPI()
    if within:
        app.add_middleware(within)
    telemetry = setup_telemetry(app)

    async def endless():
        while True:
            await asyncio.sleep(0.01)
            yield "data: .\n\n"

    streaming(app, endless)
    await asyncio.wait_for(get(app, "/chat", leaves_after=0.08), 5)

    seen = scrape(telemetry)
    assert outcomes(telemetry) == {("GET", "/chat", "client_disconnect"): 1}
    assert seen.value("http_requests_total", status_code="200") == 1
    assert not seen.has("application_errors_total")
    assert seen.value("http_concurrent_connections") == 0


async def test_a_send_that_fails_because_the_client_has_left_is_a_disconnect():
    app = FastAPI()
    telemetry = setup_telemetry(app)
    streaming(app, three_events)
    events = 0

    async def send(message):
        nonlocal events
        events += message["type"] == "http.response.body"
        if events == 2:
            raise OSError("the client has left")

    async def receive():
        await asyncio.Event().wait()

    from tests.asgi import http_scope

    scope = http_scope("GET", "/chat", asgi={"version": "3.0", "spec_version": "2.4"})
    with pytest.raises(Exception):  # noqa: B017, PT011 - starlette's ClientDisconnect or the OSError
        await app(scope, receive, send)

    assert outcomes(telemetry) == {("GET", "/chat", "client_disconnect"): 1}
    assert not scrape(telemetry).has("application_errors_total")


async def test_a_stream_that_fails_midway_is_an_error_with_the_status_that_was_sent():
    app = FastAPI()
    telemetry = setup_telemetry(app)

    async def failing():
        yield "data: 1\n\n"
        raise RuntimeError("the model went away")

    streaming(app, failing)
    await get(app, "/chat")

    seen = scrape(telemetry)
    assert outcomes(telemetry) == {("GET", "/chat", "error"): 1}
    assert seen.value("http_requests_total", status_code="200") == 1
    assert seen.value("application_errors_total", error_type="RuntimeError", component="http_middleware") == 1


async def test_a_stream_that_an_application_leaves_unfinished_is_an_error():
    app = FastAPI()
    telemetry = setup_telemetry(app)

    async def unfinished(scope, receive, send):
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})

    app.mount("/chat", unfinished)
    await get(app, "/chat/x")

    assert outcomes(telemetry) == {("GET", "/chat/{path}", "error"): 1}


async def test_a_stream_is_in_flight_until_its_last_byte():
    app = FastAPI()
    telemetry = setup_telemetry(app)
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def two_events():
        yield "data: 1\n\n"
        begun.set()
        await goes_on.wait()
        yield "data: 2\n\n"

    streaming(app, two_events)

    running = asyncio.create_task(get(app, "/chat"))
    await begun.wait()
    during = scrape(telemetry).value("http_concurrent_connections")
    goes_on.set()
    await running

    assert during == 1
    assert scrape(telemetry).value("http_concurrent_connections") == 0


async def test_a_stream_is_one_span_however_many_events_it_has(spans):
    app = FastAPI()
    setup_telemetry(app)
    streaming(app, three_events)

    await get(app, "/chat")

    (span,) = spans.get_finished_spans()
    assert span.name == "GET /chat"
