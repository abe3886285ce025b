"""Requests under traffic: which of their traces leave, and that their exemplars lead to these."""

import asyncio

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from tests.asgi import get, websocket
from tests.scrape import scrape
from tests.tracing.test_decision import nothing_waits
from tests.until import until
from wxiai_otel import monitor_ai_task

SLOW, FAILED, RAISED, BACKGROUND, FAST = range(5)


DURATIONS = ("http_request_duration_seconds", "http_stream_first_byte_seconds")


def exemplars(telemetry):
    """The traces that the durations of requests lead to."""
    return {
        int(sample.exemplar.labels["trace_id"], 16)
        for sample in scrape(telemetry).samples
        if sample.exemplar and sample.name.startswith(DURATIONS)
    }


def own_trace():
    return trace.get_current_span().get_span_context()


async def test_of_hundreds_at_once_exactly_the_slow_failed_and_chosen_leave_whole(begin, passes, redis_server):
    app = FastAPI()
    left = begin(app, trace_share=0.1, redis=True, sql=True)
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    client = Redis(connection_pool=BlockingConnectionPool.from_url(redis_server.url, max_connections=50, timeout=30))
    of_number = {}

    @monitor_ai_task("flux")
    async def draw():
        await client.get("a")

    def late():
        with trace.get_tracer("app").start_as_current_span("late"), engine.connect() as connection:
            connection.execute(text("SELECT 3"))

    @app.get("/work/{number}")
    async def work(number: int, background: BackgroundTasks):
        of_number[number] = own_trace()
        kind = number % 10
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        await asyncio.gather(draw(), client.set("a", number))
        await asyncio.to_thread(in_thread)
        if kind == SLOW:
            passes(60)
        if kind == FAILED:
            raise HTTPException(503)
        if kind == RAISED:
            raise ValueError(number)
        if kind == BACKGROUND:
            background.add_task(late)

    def in_thread():
        with trace.get_tracer("app").start_as_current_span("thread"), engine.connect() as connection:
            connection.execute(text("SELECT 2"))

    for first in range(0, 600, 300):
        await asyncio.gather(*(get(app, f"/work/{number}") for number in range(first, first + 300)))
    await client.aclose()

    ordinary = ["GET", "GET /work/{number}", "SELECT", "SELECT", "SET", "ai_task flux", "thread"]
    with_late = sorted([*ordinary, "SELECT", "late"])
    expected = {
        one.trace_id: with_late if number % 10 == BACKGROUND else ordinary
        for number, one in of_number.items()
        if number % 10 in (SLOW, FAILED, RAISED) or one.trace_flags.sampled
    }
    led_to = exemplars(left.telemetry)
    assert left.by_trace() == expected
    assert 180 < len(expected) < 600
    assert len(left.spans) == sum(map(len, expected.values()))
    assert nothing_waits()
    assert scrape(left.telemetry).value("http_requests_total") == 600
    assert led_to
    assert led_to <= expected.keys()


async def test_the_exemplar_of_a_slow_request_leads_to_its_trace_and_a_fast_one_has_none(begin, passes):
    app = FastAPI()
    left = begin(app)

    @app.get("/slow")
    async def slow():
        passes(60)

    await get(app, "/nowhere")
    assert exemplars(left.telemetry) == set()
    await get(app, "/slow")

    (kept,) = left.spans
    assert exemplars(left.telemetry) == {kept.context.trace_id}


@pytest.mark.parametrize("engine", ["native", "contrib"])
@pytest.mark.parametrize(("first", "later", "kept"), [(0, 60, False), (60, 0, True)])
async def test_a_stream_is_judged_by_its_first_byte(begin, passes, engine, first, later, kept):
    app = FastAPI()
    left = begin(app, http_engine=engine)

    @app.get("/stream")
    async def stream():
        async def events():
            passes(first)
            yield "data: 1\n\n"
            with trace.get_tracer("app").start_as_current_span("within"):
                passes(later)
            yield "data: 2\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    await get(app, "/stream")

    assert left.names == (["GET /stream", "within"] if kept else [])
    assert len(exemplars(left.telemetry)) == kept
    assert scrape(left.telemetry).value("http_requests_total") == 1


async def test_a_stream_that_is_open_too_long_is_no_slow_request(begin):
    app = FastAPI()
    left = begin(app, trace_buffer_seconds=0.3)

    @app.get("/stream")
    async def stream():
        async def events():
            for _ in range(30):
                yield "data: .\n\n"
                with trace.get_tracer("app").start_as_current_span("within"):
                    await asyncio.sleep(0.02)

        return StreamingResponse(events(), media_type="text/event-stream")

    await get(app, "/stream")

    assert left.names == []
    assert nothing_waits()


async def test_a_websocket_is_judged_by_its_acceptance(begin, passes):
    app = FastAPI()
    left = begin(app)

    @app.websocket("/{seconds}")
    async def talk(socket: WebSocket, seconds: float):
        passes(seconds)
        await socket.accept()
        passes(60)
        await socket.close()

    await websocket(app, "/0", [])
    assert left.names == []
    await websocket(app, "/60", [])
    assert left.names == ["WS /{seconds}"]


async def test_a_task_after_the_response_makes_no_request_slow_but_may_fail_it(begin, passes):
    app = FastAPI()
    left = begin(app)

    async def work(*, fails):
        with trace.get_tracer("app").start_as_current_span("work"):
            passes(60)
        if fails:
            raise ValueError

    @app.get("/{fails}")
    async def submit(fails: bool, background: BackgroundTasks):
        with trace.get_tracer("app").start_as_current_span("before"):
            background.add_task(work, fails=fails)

    await get(app, "/false")
    assert left.names == []
    await get(app, "/true")
    assert {"GET /{fails}", "before", "work"} <= set(left.names)


async def test_a_request_that_hangs_is_seen_while_it_hangs(begin):
    app = FastAPI()
    left = begin(app, trace_buffer_seconds=0.2, slow_request_seconds=0.1)
    ends = asyncio.Event()

    @app.get("/hangs")
    async def hangs():
        with trace.get_tracer("app").start_as_current_span("query"):
            pass
        await ends.wait()

    request = asyncio.create_task(get(app, "/hangs"))
    assert await asyncio.to_thread(until, lambda: left.names == ["query"])
    ends.set()
    await request

    assert left.names == ["GET /hangs", "query"]
    assert len(exemplars(left.telemetry)) == 1
