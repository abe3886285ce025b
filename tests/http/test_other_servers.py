"""Servers whose ways are not uvicorn's: Granian's messages are futures, and Hypercorn has workers of trio."""

import asyncio

import pytest
from fastapi import FastAPI, Request, Response

from tests.asgi import http_scope
from tests.internals import faults
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

BODY = {"type": "http.request", "body": b"all of it", "more_body": False}


class Duplex(Response):
    """Reads the request's body once the response has begun."""

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})


async def test_a_message_that_a_server_hands_over_as_a_future_is_the_applications():
    app = FastAPI()

    @app.post("/slow")
    async def slow(_request: Request):
        await asyncio.sleep(0.02)
        return Duplex()

    setup_telemetry(app)
    messages, sent, before = [BODY], [], faults()

    def receive():
        # As Granian: the message is taken when it is asked for, whether or not anybody waits for it.
        future, message = asyncio.get_running_loop().create_future(), messages.pop(0) if messages else None
        asyncio.get_running_loop().call_soon(lambda: future.done() or future.set_result(message))
        return future

    async def send(message):
        sent.append(message)

    await app(http_scope("POST", "/slow"), receive, send)

    assert sent[-1]["body"] == b"all of it"
    assert faults() == before


def by_hand(coroutine):
    """Run what never waits, in no event loop of asyncio's."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


def test_the_lifespan_runs_in_an_event_loop_that_is_not_asyncios():
    app = FastAPI()
    setup_telemetry(app)
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message["type"])
        raise ConnectionError("this is enough")

    with pytest.raises(ConnectionError):
        by_hand(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))

    assert sent[0] == "lifespan.startup.complete"


def test_a_request_is_recorded_there():
    app = FastAPI()

    @app.get("/work")
    async def work():
        return Response(b"done")

    telemetry = setup_telemetry(app)
    sent, before = [], faults()

    async def receive():
        raise AssertionError("the application has not called it")

    async def send(message):
        sent.append(message)

    by_hand(app(http_scope("GET", "/work"), receive, send))

    assert sent[-1]["body"] == b"done"
    assert faults() == before
    assert scrape(telemetry).value("http_requests_total", endpoint="/work", status_code="200") == 1
