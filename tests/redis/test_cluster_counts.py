"""Every command of a cluster's client is counted once, and what it asks by itself is not."""

import pytest
import redis
import redis.asyncio

from tests.redis.clients import Client, closed, durations, executed, operations
from tests.scrape import scrape


@pytest.fixture(params=["sync", "asyncio"])
async def cluster_client(request, live, redis_cluster):
    library = redis if request.param == "sync" else redis.asyncio
    made = library.RedisCluster(host="127.0.0.1", port=redis_cluster.port, decode_responses=True)
    flushed = made.flushall()
    if hasattr(flushed, "__await__"):
        await flushed
    yield made
    await closed(made)


async def test_a_clusters_commands_and_pipelines_are_counted_and_its_own_needs_are_not(live, cluster_client):
    client = cluster_client
    before = operations(scrape(live))
    assert before == {("other", "success"): 1}, "FLUSHALL of the fixture, and nothing for slots and commands"
    sending = Client(client)
    for n in range(20):
        await sending.set(f"k{n}", n)
    assert await sending.get("k1") == "1"
    await sending.get("none")
    pipeline = client.pipeline()
    for n in range(5):
        pipeline.get(f"k{n}")
    pipeline.get("none")
    await executed(pipeline)
    seen = scrape(live)
    assert operations(seen) == {
        ("other", "success"): 1,
        ("set", "success"): 20,
        ("get", "hit"): 6,
        ("get", "miss"): 2,
    }
    assert durations(seen) == {"set": 20, "get": 2, "other": 2}


async def test_a_clusters_pipeline_counts_only_what_failed_as_errors(live, cluster_client):
    pipeline = cluster_client.pipeline()
    pipeline.set("a", 1)
    pipeline.lpush("a", 1)
    pipeline.get("a")
    pipeline.get("none")
    with pytest.raises(redis.ResponseError):
        await executed(pipeline)
    assert operations(scrape(live)) == {
        ("other", "success"): 1,
        ("set", "success"): 1,
        ("other", "error"): 1,
        ("get", "hit"): 1,
        ("get", "miss"): 1,
    }


@pytest.mark.skipif(not hasattr(redis.cluster, "TransactionStrategy"), reason="an older redis-py has none")
@pytest.mark.parametrize("failing", [False, True])
async def test_a_clusters_transaction_counts_each_command(live, cluster_client, failing):
    pipeline = cluster_client.pipeline(transaction=True)
    pipeline.set("{t}a", 1)
    if failing:
        pipeline.lpush("{t}a", 1)
    pipeline.get("{t}a")
    pipeline.get("{t}none")
    if failing:
        with pytest.raises(redis.ResponseError):
            await executed(pipeline)
    else:
        await executed(pipeline)
    expected = {
        ("other", "success"): 1,
        ("set", "success"): 1,
        ("get", "hit"): 1,
        ("get", "miss"): 1,
    }
    assert operations(scrape(live)) == (expected | {("other", "error"): 1} if failing else expected)


async def test_a_redirected_command_is_counted_once(live, cluster_client, redis_cluster):
    """The client is made to believe that one node has every slot: all but its own keys are redirected."""
    sending = Client(cluster_client)
    await sending.set("k0", 0)
    manager = cluster_client.nodes_manager
    nodes = list(manager.nodes_cache.values())
    node = nodes[0]
    manager.slots_cache = {slot: [node] for slot in manager.slots_cache}
    for n in range(10):
        await sending.set(f"k{n}", n)
    manager.slots_cache = {slot: [node] for slot in manager.slots_cache}
    pipeline = cluster_client.pipeline()
    for n in range(10):
        pipeline.get(f"k{n}")
    assert await executed(pipeline) == [str(n) for n in range(10)]
    assert operations(scrape(live)) == {("other", "success"): 1, ("set", "success"): 11, ("get", "hit"): 10}
    for replaced in nodes:  # redis-py 7.1 closes none that a redirection has replaced
        if hasattr(replaced, "disconnect"):
            await replaced.disconnect()
