"""The application's worker threads may all be busy for good: nothing of ours waits for one."""

import asyncio
import threading
from typing import Any

import anyio.to_thread
import pytest
from fastapi import FastAPI
from starlette.types import Message

from wxiai_otel import setup_telemetry


async def lifespan(app: FastAPI) -> None:
    sent: list[str] = []
    messages: asyncio.Queue[Message] = asyncio.Queue()

    async def send(message: Message) -> None:
        sent.append(message["type"])

    for step in ("startup", "shutdown"):
        messages.put_nowait({"type": f"lifespan.{step}"})
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, messages.get, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def get(app: FastAPI, path: str) -> None:
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message.get("status"))

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    await app(scope, receive, send)
    assert sent[0] == 200


WORK = {
    "lifespan": lifespan,
    "metrics": lambda app: get(app, "/monitoring/metrics"),
    "health": lambda app: get(app, "/monitoring/health"),
    "stats": lambda app: get(app, "/monitoring/stats"),
}


async def nobody() -> None:
    """Let anybody see the statistics."""


@pytest.mark.parametrize("name", WORK)
async def test_no_thread_of_the_application_is_needed(name: str) -> None:
    app = FastAPI()
    telemetry = setup_telemetry(app, stats_dependency=nobody)
    gone = threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    busy = [asyncio.create_task(anyio.to_thread.run_sync(gone.wait)) for _ in range(int(limiter.total_tokens))]
    try:
        await asyncio.sleep(0.1)
        await asyncio.wait_for(WORK[name](app), 5)
    finally:
        gone.set()
        await asyncio.gather(*busy)
        telemetry.shutdown()
