"""One call of the application is one count and one span, however often the client sends it."""

import pytest
import redis
import redis.asyncio
from opentelemetry.trace import StatusCode
from redis.exceptions import NoScriptError

from tests.redis.clients import closed, operations
from tests.scrape import scrape

LIBRARIES = {"sync": redis, "asyncio": redis.asyncio}
SCRIPT = "return redis.call('GET', KEYS[1])"
EVAL_SHA = {("other", "success"): 1}


async def got(result):
    return await result if hasattr(result, "__await__") else result


@pytest.fixture(params=LIBRARIES)
async def client(request, redis_server):
    made = LIBRARIES[request.param].Redis(port=redis_server.port)
    yield made
    await closed(made)


async def call_a_script(client):
    await got(client.register_script(SCRIPT)(keys=["a"]))


async def call_a_script_while_watching(client):
    pipeline = client.pipeline()
    await got(pipeline.watch("a"))
    await got(client.register_script(SCRIPT)(keys=["a"], client=pipeline))
    await got(pipeline.reset())


async def call_a_script_in_a_pipeline(client):
    pipeline = client.pipeline()
    await got(client.register_script(SCRIPT)(keys=["a"], client=pipeline))
    await got(pipeline.execute())


async def hold_a_lock(client):
    lock = client.lock("lock", timeout=10)
    assert await got(lock.acquire())
    await got(lock.extend(5))
    await got(lock.reacquire())
    await got(lock.release())


async def wait_for_a_lock(client):
    await got(client.lock("lock", timeout=0.3, sleep=0.01).acquire())
    assert await got(client.lock("lock", sleep=0.01).acquire())


async def give_up_on_a_lock(client):
    await got(client.lock("lock").acquire())
    assert not await got(client.lock("lock", sleep=0.01).acquire(blocking_timeout=0.1))


async def monitor(client):
    monitoring = client.monitor()
    if hasattr(monitoring, "__aenter__"):
        async with monitoring:
            pass
    else:
        with monitoring:
            pass


async def send_a_digest_by_hand(client):
    with pytest.raises(NoScriptError):
        await got(client.evalsha("0" * 40, 0))


async def send_a_digest_by_hand_in_a_pipeline(client):
    with pytest.raises(NoScriptError):
        await got(client.pipeline().evalsha("0" * 40, 0).execute())


async def subscribe_and_reconnect(client):
    pubsub = client.pubsub()
    await got(pubsub.subscribe("news", "more"))
    await got(pubsub.get_message(timeout=1))
    await got(pubsub.connection.disconnect())
    await got(pubsub.get_message(timeout=0.2))
    await closed(pubsub)


CALLS = [
    (call_a_script, EVAL_SHA),
    (call_a_script_while_watching, {("other", "success"): 2}),
    (call_a_script_in_a_pipeline, EVAL_SHA),
    (hold_a_lock, {("set", "success"): 1, ("other", "success"): 3}),
    (wait_for_a_lock, {("set", "success"): 2}),
    (give_up_on_a_lock, {("set", "success"): 2}),
    (monitor, {("other", "success"): 1}),
    (send_a_digest_by_hand, EVAL_SHA),
    (send_a_digest_by_hand_in_a_pipeline, EVAL_SHA),
    (subscribe_and_reconnect, {("other", "success"): 1}),
]


@pytest.mark.parametrize(("make", "counts"), CALLS, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_call_is_counted_once(live, client, make, counts):
    await make(client)
    assert operations(scrape(live)) == counts


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (call_a_script, ["EVALSHA"]),
        (call_a_script_in_a_pipeline, ["PIPELINE"]),
        (hold_a_lock, ["SET", "EVALSHA", "EVALSHA", "EVALSHA"]),
        (wait_for_a_lock, ["SET", "SET"]),
        (send_a_digest_by_hand, ["EVALSHA"]),
        (send_a_digest_by_hand_in_a_pipeline, ["PIPELINE"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_call_is_one_span_without_an_error(spans, live, client, make, names):
    await make(client)
    ended = spans.get_finished_spans()
    assert [span.name for span in ended] == names
    assert {span.status.status_code for span in ended} == {StatusCode.UNSET}
