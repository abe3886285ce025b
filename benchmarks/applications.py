"""The applications that are measured, without any telemetry of their own."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import SimpleNamespace

import redis.asyncio
import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.pool import StaticPool

EVENTS = 1_000
_USERS = [SimpleNamespace(id=f"user-{number}", role="user") for number in range(100)]


@dataclass(frozen=True, slots=True)
class Application:
    """An application, and what is asked of it.

    Attributes:
        make: Makes it.
        path: The path that is requested.
        requests: How many requests are a round.
        flush_every: After how many requests spans are exported, so that no competitor's queue overflows.
        units: Into how many parts the cost of a request is divided.
    """

    make: Callable[[], FastAPI]
    path: str
    requests: int = 1_000
    flush_every: int = 500
    units: int = 1


def _signed_in(request: Request) -> None:
    """What an application's dependency does once it knows the user."""
    request.state.user = _USERS[hash(request.scope["client"]) % len(_USERS)]


def _with_routes(count: int) -> FastAPI:
    app = FastAPI()

    def add(number: int) -> None:
        @app.get(f"/api/v1/resources{number}/{{item}}")
        async def read(item: str, request: Request) -> dict[str, str]:
            _signed_in(request)
            return {"item": item}

    for number in range(count):
        add(number)
    return app


def _with_data() -> FastAPI:
    """Five statements and three commands a request: the cheapest of each, so that what is added is seen."""
    app = FastAPI()
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata = sa.MetaData()
    users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(users.insert(), [{"id": number, "name": f"user {number}"} for number in range(100)])
    cache = redis.asyncio.from_url(os.environ["BENCH_REDIS_URL"])
    by_id = sa.select(users).where(users.c.id == sa.bindparam("wanted"))
    rename = users.update().where(users.c.id == sa.bindparam("wanted")).values(name="renamed")

    @app.get("/data")
    async def data(request: Request) -> dict[str, int]:
        _signed_in(request)
        with engine.begin() as connection:
            for wanted in range(4):
                connection.execute(by_id, {"wanted": wanted}).all()
            connection.execute(rename, {"wanted": 5})
        await cache.set("a key", "a value")
        await cache.get("a key")
        await cache.get("another key")
        return {"read": 4}

    return app


def _with_stream() -> FastAPI:
    app = FastAPI()

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        _signed_in(request)

        async def events() -> AsyncIterator[bytes]:
            for _ in range(EVENTS):
                yield b"data: a word\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def _example() -> FastAPI:
    """The example, whose own call of `setup_telemetry` does nothing unless the competitor is this package."""
    from examples.wxiai.app import app

    return app


APPLICATIONS = {
    **{
        f"routes-{count}": Application(lambda count=count: _with_routes(count), f"/api/v1/resources{count - 1}/7")
        for count in (1, 50, 200, 600)
    },
    "data": Application(_with_data, "/data", requests=400, flush_every=100),
    "sse": Application(_with_stream, "/stream", requests=50, flush_every=1, units=EVENTS),
    "example": Application(_example, "/gallery/flux/latest"),
}
