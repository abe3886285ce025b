"""What Redis holds, asked in the background, without ever getting in the way."""

import os
import socket
import threading
from contextlib import ExitStack

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from redis.sentinel import Sentinel

from tests.scrape import Scrape, scrape
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from tests.until import until
from wxiai_otel import SettingError, Telemetry, setup_telemetry

GAUGES = ("cache_size_bytes", "redis_memory_usage_ratio")


def gauges(telemetry: Telemetry, *, there: bool = True) -> Scrape:
    """Scrape until both gauges are there, or both are not."""
    seen = []

    def are_as_wanted() -> bool:
        seen.append(scrape(telemetry))
        return all(seen[-1].has(name) is there for name in GAUGES)

    until(are_as_wanted)
    return seen[-1]


@pytest.fixture
def polling():
    """A telemetry that polls often."""

    def make(**settings) -> Telemetry:
        return setup_telemetry(FastAPI(), redis_poll_interval=0.1, **settings)

    return make


def used_memory(redis_server) -> int:
    lines = redis_server.ask("INFO", "memory").splitlines()
    return int(next(line.removeprefix("used_memory:") for line in lines if line.startswith("used_memory:")))


def test_the_first_client_used_says_which_redis_is_asked(polling, redis_server):
    telemetry = polling()
    assert not scrape(telemetry).has("cache_size_bytes")
    redis.Redis(port=redis_server.port).ping()
    seen = gauges(telemetry)
    assert seen.value("cache_size_bytes") == pytest.approx(used_memory(redis_server), rel=0.2)
    assert 0 < seen.value("redis_memory_usage_ratio") < 1


def test_the_ratio_is_of_maxmemory_where_there_is_one(polling, redis_server):
    redis_server.ask("CONFIG", "SET", "maxmemory", "100mb")
    try:
        telemetry = polling(redis_client=redis_server.url)
        seen = gauges(telemetry)
        assert seen.value("redis_memory_usage_ratio") == seen.value("cache_size_bytes") / (100 * 2**20)
    finally:
        redis_server.ask("CONFIG", "SET", "maxmemory", "0")


async def test_an_asyncio_client_is_never_used_from_another_loop(polling, redis_server):
    telemetry = polling()
    client = redis.asyncio.Redis(port=redis_server.port)
    await client.ping()
    gauges(telemetry)
    assert len(client.connection_pool._available_connections) == 1
    await client.aclose()


def test_asking_is_neither_counted_nor_traced(spans, polling, redis_server):
    telemetry = polling(redis_client=redis.Redis(port=redis_server.port))
    gauges(telemetry)
    assert scrape(telemetry).value("cache_operations_total") == 0
    assert spans.get_finished_spans() == ()
    assert redis_server.command_calls()["info"] > 0


def test_the_gauges_vanish_while_redis_does_not_answer_and_come_back(polling):
    port = free_port()
    with run_redis(port=port) as first:
        telemetry = polling(redis_client=first.url)
        gauges(telemetry)
    gauges(telemetry, there=False)
    with run_redis(port=port):
        gauges(telemetry)


def test_a_redis_that_accepts_and_says_nothing_is_given_up_after_the_timeout(polling):
    with ExitStack() as accepted, socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        telemetry = polling(redis_client=f"redis://127.0.0.1:{silent.getsockname()[1]}", redis_poll_timeout=0.1)
        for _ in range(3):  # each poll starts again after the timeout
            accepted.enter_context(silent.accept()[0])
        assert not scrape(telemetry).has("cache_size_bytes")


def test_a_password_and_a_database_are_used(polling):
    with run_redis("--requirepass", "hunter2") as locked:
        telemetry = polling(redis_client=f"redis://:hunter2@127.0.0.1:{locked.port}/5")
        gauges(telemetry)


def test_a_socket_path_is_asked(polling, redis_server):
    telemetry = polling()
    redis.Redis(unix_socket_path=redis_server.unix_socket).ping()
    gauges(telemetry)


@pytest.mark.parametrize("library", [redis, redis.asyncio])
def test_a_cluster_is_the_sum_of_its_primaries(polling, redis_cluster, library):
    if library is redis:
        client = redis.RedisCluster("127.0.0.1", redis_cluster.port)
        telemetry = polling(redis_client=client)
        single = used_memory(redis_cluster)
        assert gauges(telemetry).value("cache_size_bytes") > 2 * single
    else:
        import asyncio

        async def use():
            telemetry = polling()
            client = redis.asyncio.RedisCluster(host="127.0.0.1", port=redis_cluster.port)
            await client.set("a", 1)
            seen = await asyncio.to_thread(gauges, telemetry)
            assert seen.value("cache_size_bytes") > 2 * used_memory(redis_cluster)
            await client.aclose()

        asyncio.run(use())


def test_behind_a_sentinel_the_current_master_is_asked(polling):
    with run_redis() as master:
        configuration = f"sentinel monitor main 127.0.0.1 {master.port} 1"
        with run_redis(configuration, sentinel=True) as sentinel:
            telemetry = polling()
            client = Sentinel([("127.0.0.1", sentinel.port)]).master_for("main")
            client.set("a", 1)
            assert gauges(telemetry).value("cache_size_bytes") == pytest.approx(used_memory(master), rel=0.2)
            counts = scrape(telemetry).series("cache_operations_total", "operation", "result")
            assert counts[("set", "success")] == 1
            assert counts[("other", "success")] == 0, "the client asked the sentinel, not the application"
            client.close()


def test_polling_ends_with_the_telemetry(polling, redis_server):
    telemetry = polling(redis_client=redis_server.url)
    gauges(telemetry)
    telemetry.shutdown()
    until(lambda: "wxiai-otel-redis-info" not in {thread.name for thread in threading.enumerate()})


def test_a_forked_child_polls_for_itself(polling, redis_server):
    telemetry = polling(redis_client=redis_server.url)
    gauges(telemetry)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            gauges(telemetry)
            os.write(writing, b"polled")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        assert result.read() == b"polled"
    os.waitpid(child, 0)


@pytest.mark.parametrize("value", ["localhost:6379", "http://localhost", 5, object()])
def test_a_client_that_is_none_is_refused(value):
    with pytest.raises(SettingError, match=r"setting redis_client: .* allowed is a client of redis-py, or a redis://"):
        setup_telemetry(FastAPI(), redis_client=value)
