"""`MultiDBClient`: its health checks are not counted, and a call is one count, whichever database answers."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import redis
from opentelemetry.trace import StatusCode
from redis.backoff import NoBackoff

from tests.redis.clients import closed, durations, operations
from tests.redis.test_one_call import got
from tests.scrape import scrape
from tests.servers.redis import run_redis

pytest.importorskip("pybreaker")
pytest.importorskip("redis.multidb")

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental:UserWarning")

HEALTH_CHECK_SECONDS = 0.05
FAILED = {("get", "error"): 1}


@pytest.fixture(scope="module")
def second_server():
    with run_redis() as redis_server:
        yield redis_server


@pytest.fixture
def second(second_server):
    second_server.ask("FLUSHALL")
    return second_server


@pytest.fixture
def first():
    """Run a server whose process the tests kill."""
    with run_redis() as redis_server:
        yield redis_server


def client_of(kind, *servers, retries=5, health_check_interval=HEALTH_CHECK_SECONDS):
    if kind == "sync":
        from redis.multidb.client import MultiDBClient
        from redis.multidb.config import DatabaseConfig, MultiDbConfig
        from redis.retry import Retry
    else:
        from redis.asyncio.multidb.client import MultiDBClient
        from redis.asyncio.multidb.config import DatabaseConfig, MultiDbConfig
        from redis.asyncio.retry import Retry
    databases = [
        DatabaseConfig(from_url=redis_server.url, weight=1 / (place + 1)) for place, redis_server in enumerate(servers)
    ]
    return MultiDBClient(
        MultiDbConfig(
            databases_config=databases,
            command_retry=Retry(NoBackoff(), retries),
            min_num_failures=2,
            health_check_interval=health_check_interval,
            health_check_probes=1,
            health_check_delay=0.01,
        )
    )


@pytest.fixture(params=["sync", "asyncio"])
def kind(request):
    return request.param


@pytest.fixture
async def make(kind):
    async with AsyncExitStack() as stack:

        def made(*servers, **options):
            client = client_of(kind, *servers, **options)

            async def close():
                await closed(client)
                for database, _ in client.get_databases():
                    await closed(database.client)

            stack.push_async_callback(close)
            return client

        yield made


async def get(client):
    await got(client.get("none"))


async def pipeline(client):
    await got(client.pipeline().set("a", 1).get("a").execute())


async def transaction(client):
    def queue(pipe):
        pipe.set("a", 1)
        pipe.get("a")

    await got(client.transaction(queue))


async def subscribe(client):
    pubsub = await got(client.pubsub())
    await got(pubsub.subscribe("news"))
    await closed(pubsub)


async def script(client):
    await got(client.register_script(b"return 1")())


CALLS = [
    (get, {("get", "miss"): 1}),
    (pipeline, {("set", "success"): 1, ("get", "hit"): 1}),
    (transaction, {("set", "success"): 1, ("get", "hit"): 1}),
    (subscribe, {("other", "success"): 1}),
    (script, {("other", "success"): 1}),
]
each_call = pytest.mark.parametrize(("call", "counts"), CALLS, ids=lambda value: getattr(value, "__name__", ""))


async def test_health_checks_are_neither_counted_nor_traced(spans, live, make, first, second):
    client = make(first, second)
    await got(client.initialize())
    await asyncio.sleep(6 * HEALTH_CHECK_SECONDS)
    assert first.command_calls()["ping"] > 1
    assert operations(scrape(live)) == {}
    await got(client.ping())
    assert operations(scrape(live)) == {("other", "success"): 1}
    await asyncio.sleep(3 * HEALTH_CHECK_SECONDS)
    assert [span.name for span in spans.get_finished_spans()] == ["PING"]


@each_call
async def test_a_call_is_one_count_and_no_error(spans, live, make, first, second, call, counts):
    await call(make(first, second))
    assert operations(scrape(live)) == counts
    assert {span.status.status_code for span in spans.get_finished_spans()} <= {StatusCode.UNSET}


@each_call
async def test_a_call_across_a_failover_is_one_count_and_no_error(spans, live, make, first, second, call, counts):
    client = make(first, second, health_check_interval=3600)
    await got(client.initialize())
    first.process.kill()
    first.process.wait()
    await call(client)
    seen = scrape(live)
    assert operations(seen) == counts
    assert sum(durations(seen).values()) == (0 if call is subscribe else 1)
    assert {span.status.status_code for span in spans.get_finished_spans()} <= {StatusCode.UNSET}


async def test_subscriptions_that_move_to_another_database_are_not_counted_again(live, make, first, second):
    client = make(first, second, health_check_interval=3600)
    pubsub = await got(client.pubsub()) if hasattr(client, "aclose") else client.pubsub()
    await got(pubsub.subscribe("news"))
    first.process.kill()
    first.process.wait()
    await got(client.get("none"))
    assert operations(scrape(live)) == {("other", "success"): 1, ("get", "miss"): 1}
    await closed(pubsub)


async def test_a_call_that_no_database_answers_is_one_error(spans, live, make, first):
    client = make(first, retries=1, health_check_interval=3600)
    await got(client.initialize())
    first.process.kill()
    first.process.wait()
    with pytest.raises(redis.RedisError):
        await got(client.get("none"))
    assert operations(scrape(live)) == FAILED
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


async def test_the_server_of_the_active_database_is_the_one_that_is_polled(live, make, first, second, caplog):
    client = make(first, second)
    await got(client.get("none"))
    await got(client.get("none"))
    assert "telemetry fault" not in caplog.text
