"""A task that the application starts while a client is at work is the application's, however long it lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import fakeredis
import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from sqlalchemy import create_engine, text

from tests.redis.internals import own_traffic, suppressed
from wxiai_otel import setup_telemetry


def total(telemetry: Any, name: str) -> float:
    lines = telemetry.render_metrics()[0].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


@asynccontextmanager
async def within_a_command(task: Any) -> AsyncIterator[None]:
    client = fakeredis.FakeAsyncRedis()
    original = client.connection_pool.get_connection

    async def get_connection(*args: Any, **options: Any) -> Any:
        task()
        return await original(*args, **options)

    client.connection_pool.get_connection = get_connection  # type: ignore[method-assign]
    await client.get("key")
    yield
    await client.aclose()


@asynccontextmanager
async def within_our_own_traffic(task: Any) -> AsyncIterator[None]:
    with own_traffic():
        task()
    yield


@asynccontextmanager
async def within_an_excluded_request(task: Any) -> AsyncIterator[None]:
    with suppressed():
        task()
    yield


@pytest.mark.parametrize("within", [within_a_command, within_our_own_traffic, within_an_excluded_request])
async def test_what_a_task_does_later_is_counted(within: Any) -> None:
    telemetry = setup_telemetry(FastAPI(), state_redis="memory")
    over = asyncio.Event()
    tasks: list[asyncio.Task[bool]] = []

    async def later() -> bool:
        await over.wait()
        client = fakeredis.FakeAsyncRedis()
        for _ in range(10):
            await client.set("key", 1)
        await client.aclose()
        with create_engine("sqlite://").connect() as connection:
            connection.execute(text("select 1"))
        return is_instrumentation_enabled()

    async with within(lambda: tasks or tasks.append(asyncio.create_task(later()))):
        commands = total(telemetry, "cache_operations_total")
        statements = total(telemetry, "db_query_duration_seconds_count")
        over.set()
        assert await tasks[0]
        assert total(telemetry, "cache_operations_total") - commands == 10
        assert total(telemetry, "db_query_duration_seconds_count") - statements == 1
    telemetry.shutdown()


@contextmanager
def nothing() -> Any:
    yield


@pytest.mark.parametrize(
    ("inner", "outer"), [(nothing, own_traffic), (own_traffic, nothing), (suppressed, own_traffic)]
)
def test_within_the_block_instrumentation_is_suppressed(inner: Any, outer: Any) -> None:
    with outer(), inner():
        assert not is_instrumentation_enabled()
    assert is_instrumentation_enabled()
