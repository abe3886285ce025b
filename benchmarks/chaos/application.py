"""The application that the faults are done to: by itself, with SQL and Redis where the environment names them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from fastapi import FastAPI, Request
from opentelemetry import trace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from wxiai_otel import complete_ai_task, record_user_activity, setup_telemetry, start_ai_task

DATABASE = os.environ.get("CHAOS_DATABASE")
REDIS = os.environ.get("CHAOS_REDIS")

engine = create_async_engine(DATABASE, connect_args={"timeout": 2}) if DATABASE else None
client = redis.asyncio.Redis.from_url(REDIS, socket_timeout=2, socket_connect_timeout=2) if REDIS else None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


app = FastAPI(title="chaos", lifespan=lifespan)
setup_telemetry(app)
tracer = trace.get_tracer("chaos")


@app.get("/work")
async def work() -> str:
    with tracer.start_as_current_span("work"):
        return "done"


@app.get("/slow")
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@app.get("/block")
async def block(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for
    return "done"


@app.get("/asked")
async def asked() -> str:
    """Ask both stores once, so that they are known."""
    if engine is not None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    if client is not None:
        await client.get("key")
    return "done"


@app.get("/helpers")
async def helpers(request: Request) -> str:
    """A user seen, and a task begun and ended."""
    request.state.user = {"id": request.query_params["user"], "role": "user"}
    record_user_activity(request.query_params["user"])
    complete_ai_task(start_ai_task("flux", mode="fast").token, "success")
    return "done"
