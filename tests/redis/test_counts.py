"""Every command is counted once, by what it got, whichever client sent it."""

import asyncio
import threading

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from redis.backoff import NoBackoff

from tests.redis.clients import Client, closed, durations, executed, operations
from tests.redis.internals import own_traffic
from tests.scrape import scrape
from tests.servers.ports import free_port
from tests.until import until
from wxiai_otel import setup_telemetry


@pytest.fixture(params=["sync", "asyncio"])
async def client(request, redis_server):
    made = (redis if request.param == "sync" else redis.asyncio).Redis(port=redis_server.port, decode_responses=True)
    yield Client(made)
    await closed(made)


async def test_each_command_is_counted_by_its_operation_and_result(live, client):
    await client.set("a", 1)
    await client.get("a")
    await client.get("none")
    await client.mget("a", "none", "none either")
    await client.hset("h", mapping={"f": 1, "g": 2})
    await client.hmget("h", "f", "nothing")
    await client.hgetall("h")
    await client.hgetall("none")
    await client.getdel("a")
    await client.delete("a", "h")
    await client.incr("n")
    seen = scrape(live)
    assert operations(seen) == {
        ("get", "hit"): 5,
        ("get", "miss"): 5,
        ("set", "success"): 2,
        ("delete", "success"): 1,
        ("other", "success"): 1,
    }
    assert durations(seen) == {"get": 7, "set": 2, "delete": 1, "other": 1}


def test_a_round_trip_is_observed_in_seconds(app, telemetry, redis_server):
    setup_telemetry(app)
    clock = telemetry.freeze_clock()
    with redis.Redis(port=redis_server.port) as client:
        client.set_response_callback("GET", lambda response: clock.tick(0.004))
        client.get("a")
    seen = telemetry.histogram("cache_operation_duration_seconds", operation="get")
    assert (seen.count, seen.sum) == (1, 0.004)
    assert (seen.buckets[0.0025], seen.buckets[0.005]) == (0, 1)


async def test_a_pipeline_counts_each_command_and_is_one_round_trip(live, client):
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        pipeline.set("a", 1).get("a").get("none").mget("a", "none").delete("a")
        await executed(pipeline)
    seen = scrape(live)
    assert operations(seen) == {
        ("set", "success"): 2,
        ("get", "hit"): 4,
        ("get", "miss"): 4,
        ("delete", "success"): 2,
    }
    assert durations(seen) == {"other": 2}


async def test_a_pipeline_of_one_command_is_observed_as_a_pipeline(live, client):
    await executed(client.pipeline().get("none"))
    assert durations(scrape(live)) == {"other": 1}


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("raise_on_error", [True, False])
async def test_in_a_pipeline_only_the_commands_that_failed_are_errors(live, client, transaction, raise_on_error):
    await client.hset("h", "f", 1)
    pipeline = client.pipeline(transaction=transaction)
    pipeline.set("a", 1).get("h").get("a").get("none").hgetall("h").hgetall("none")
    if raise_on_error:
        with pytest.raises(redis.ResponseError, match=r"Command # 2 \(GET h\)"):
            await executed(pipeline)
    else:
        assert isinstance((await executed(pipeline, raise_on_error=False))[1], redis.ResponseError)
    assert operations(scrape(live)) == {
        ("set", "success"): 2,
        ("get", "error"): 1,
        ("get", "hit"): 2,
        ("get", "miss"): 2,
    }


async def test_a_pipeline_given_in_bytes_or_in_one_string_is_counted_as_any_other(live, client):
    pipeline = client.pipeline()
    pipeline.execute_command(b"SET", b"a", b"1")
    pipeline.execute_command("GET a")
    await executed(pipeline)
    assert operations(scrape(live)) == {("set", "success"): 1, ("get", "hit"): 1}


async def test_an_empty_pipeline_counts_nothing(live, client):
    assert await executed(client.pipeline()) == []
    assert operations(scrape(live)) == {}
    assert durations(scrape(live)) == {}


async def test_a_transaction_that_a_watched_key_stops_is_all_errors(live, client, redis_server):
    pipeline = client.pipeline()
    watching = pipeline.watch("a")
    if hasattr(watching, "__await__"):
        await watching
    redis_server.ask("SET", "a", "changed")
    pipeline.multi()
    pipeline.set("a", 1).get("a")
    with pytest.raises(redis.WatchError):
        await executed(pipeline)
    assert operations(scrape(live)) == {
        ("other", "success"): 1,
        ("set", "error"): 1,
        ("get", "error"): 1,
    }


async def test_a_command_while_watching_is_a_round_trip_of_its_own(live, client):
    pipeline = client.pipeline()
    for command in (("WATCH", "a"), ("GET", "a")):
        sent = pipeline.execute_command(*command)
        if hasattr(sent, "__await__"):
            await sent
    pipeline.multi()
    pipeline.set("a", 2)
    await executed(pipeline)
    seen = scrape(live)
    assert operations(seen) == {("other", "success"): 1, ("get", "miss"): 1, ("set", "success"): 1}
    assert durations(seen) == {"other": 2, "get": 1}


async def test_waiting_is_counted_but_is_no_latency(live, client):
    assert await client.blpop(["none"], timeout=0.1) is None
    await client.xread({"none": "0"}, block=10)
    pipeline = client.pipeline(transaction=False)
    pipeline.get("none").blpop(["none"], timeout=0.1)
    await executed(pipeline)
    seen = scrape(live)
    assert operations(seen) == {("other", "success"): 3, ("get", "miss"): 1}
    assert durations(seen) == {}


async def test_a_script_is_other_and_its_loading_is_part_of_the_call(live, client):
    script = client._client.register_script("return redis.call('GET', KEYS[1])")
    for _ in range(2):
        run = script(keys=["a"])
        if hasattr(run, "__await__"):
            await run
    # The first call sends EVALSHA, SCRIPT LOAD and EVALSHA again.
    assert operations(scrape(live)) == {("other", "success"): 2}


async def test_subscribing_and_publishing_are_counted_and_messages_are_not(live, client):
    pubsub = client._client.pubsub()
    for call, *args in (
        (pubsub.subscribe, "news"),
        (client.publish, "news", "one"),
        (pubsub.get_message,),
        (pubsub.get_message,),
        (pubsub.unsubscribe, "news"),
    ):
        result = call(*args)
        if hasattr(result, "__await__"):
            await result
    await closed(pubsub)
    seen = scrape(live)
    assert operations(seen) == {("other", "success"): 3}
    assert durations(seen) == {"other": 1}


async def test_the_counts_begin_at_zero_with_the_first_command(live, client):
    assert not scrape(live).has("cache_operations_total")
    await client.get("none")
    seen = scrape(live).series("cache_operations_total", "operation", "result")
    assert seen[("get", "hit")] == 0
    assert len(seen) == 9


async def test_our_own_traffic_is_not_counted(live, client, redis_server):
    with own_traffic():
        await client.set("a", 1)
        await executed(client.pipeline().get("a"))
    assert operations(scrape(live)) == {}
    assert redis_server.command_calls()["set"] == 1


async def test_a_cancelled_command_is_an_error(live, redis_server):
    client = redis.asyncio.Redis(port=redis_server.port)
    task = asyncio.create_task(client.blpop(["none"], timeout=60))
    await asyncio.to_thread(until, lambda: "blocked_clients:1" in redis_server.ask("INFO", "clients"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.aclose()
    assert operations(scrape(live)) == {("other", "error"): 1}


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
async def test_a_refused_connection_and_a_timeout_reach_the_application_and_are_errors(live, redis_server, kind):
    library, retry = (redis, redis.retry.Retry) if kind == "sync" else (redis.asyncio, redis.asyncio.retry.Retry)
    nobody = Client(library.Redis(port=free_port(), retry=retry(NoBackoff(), 0)))
    with pytest.raises(redis.ConnectionError):
        await nobody.mget("a", "b")
    with pytest.raises(redis.ConnectionError):
        await executed(nobody.pipeline().get("a").set("a", 1))
    hurried = library.Redis(port=redis_server.port, socket_timeout=0.05, retry=retry(NoBackoff(), 0))
    with pytest.raises(redis.TimeoutError):
        await Client(hurried).execute_command("DEBUG SLEEP", 0.2)
    await closed(hurried)
    assert operations(scrape(live)) == {("get", "error"): 3, ("set", "error"): 1, ("other", "error"): 1}


async def test_a_retried_command_is_counted_once(live, redis_server):
    retry = redis.asyncio.retry.Retry(NoBackoff(), 1)
    client = redis.asyncio.Redis(port=redis_server.port, retry=retry, retry_on_error=[redis.ConnectionError])
    await client.set("a", 1)
    redis_server.ask("CLIENT", "KILL", "TYPE", "normal")
    assert await client.get("a") == b"1"
    await client.aclose()
    seen = scrape(live)
    assert operations(seen) == {("set", "success"): 1, ("get", "hit"): 1}
    assert durations(seen) == {"set": 1, "get": 1}


def test_n_threads_are_n_times_the_commands(live, redis_server):
    client = redis.Redis(port=redis_server.port)

    def work():
        for n in range(200):
            client.set(f"k{n}", n)
            client.get(f"k{n}")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert operations(scrape(live)) == {("set", "success"): 1600, ("get", "hit"): 1600}
    assert {name: redis_server.command_calls()[name] for name in ("set", "get")} == {"set": 1600, "get": 1600}


async def test_concurrent_tasks_are_each_counted(live, redis_server):
    patient = {"timeout": 100, "socket_timeout": 100, "socket_connect_timeout": 100}
    pool = redis.asyncio.BlockingConnectionPool(port=redis_server.port, max_connections=10, **patient)
    client = redis.asyncio.Redis.from_pool(pool)
    await asyncio.gather(*(client.incr("n") for _ in range(500)))
    await client.aclose()
    assert operations(scrape(live)) == {("other", "success"): 500}
    assert redis_server.command_calls()["incrby"] == 500


async def test_clients_made_before_the_setup_are_counted_and_after_the_shutdown_no_more(redis_server):
    client = redis.asyncio.Redis(port=redis_server.port)
    untouched = redis.asyncio.Redis.execute_command
    telemetry = setup_telemetry(FastAPI())
    await client.get("none")
    assert operations(scrape(telemetry)) == {("get", "miss"): 1}
    telemetry.shutdown()
    assert redis.asyncio.Redis.execute_command is untouched
    again = setup_telemetry(FastAPI())
    await client.get("none")
    assert operations(scrape(again)) == {("get", "miss"): 1}
    await client.aclose()


def test_a_wrapper_put_around_ours_survives_the_shutdown(redis_server):
    original = redis.Redis.execute_command
    telemetry = setup_telemetry(FastAPI(), sql=False)
    ours = redis.Redis.execute_command
    calls = []

    def theirs(self, *args, **options):
        calls.append(args)
        return ours(self, *args, **options)

    redis.Redis.execute_command = theirs
    try:
        telemetry.shutdown()
        client = redis.Redis(port=redis_server.port)
        assert client.set("a", 1) is True
        assert calls == [("SET", "a", 1)]
    finally:
        redis.Redis.execute_command = original
