"""The span of a command or pipeline is upstream's, but for what one table lists.

Upstream is opentelemetry-instrumentation-redis, with the stable names.
"""

import inspect

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.client_spans import Deviation, assert_upstreams
from tests.semconv import use_stable_names
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from wxiai_otel import setup_telemetry

PARENT = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))


async def awaited(result):
    return await result if inspect.isawaitable(result) else result


async def failing(result_of):
    with pytest.raises(redis.RedisError):
        await awaited(result_of())


async def suppressed(client):
    with suppress_instrumentation():
        await awaited(client.get("a"))
    await awaited(client.get("b"))


async def wrong_type(client):
    await awaited(client.hset("h", "f", 1))
    await failing(lambda: client.get("h"))


async def wrong_type_in_a_pipeline(client):
    await awaited(client.hset("h", "f", 1))
    await failing(client.pipeline().set("a", 1).get("h").execute)


async def watched(client):
    pipeline = client.pipeline()
    await awaited(pipeline.watch("a"))
    await awaited(pipeline.get("a"))
    pipeline.multi()
    pipeline.set("a", 1)
    await awaited(pipeline.execute())


async def watched_in_vain(client):
    pipeline = client.pipeline()
    await awaited(pipeline.watch("a"))
    await awaited(client.set("a", 2))
    pipeline.multi()
    pipeline.set("a", 1)
    await failing(pipeline.execute)


async def script(client):
    run = client.register_script("return redis.call('GET', KEYS[1])")
    await awaited(run(keys=["a"]))


async def script_in_a_pipeline(client):
    pipeline = client.pipeline()
    run = client.register_script("return 7")
    await awaited(run(client=pipeline))
    await awaited(pipeline.execute())


async def published(client):
    pubsub = client.pubsub()
    await awaited(pubsub.subscribe("news"))
    await awaited(client.publish("news", "one"))
    await awaited(pubsub.aclose() if hasattr(pubsub, "aclose") else pubsub.close())


def pipeline(client, transaction, *commands):
    made = client.pipeline(transaction=transaction)
    for command in commands:
        made.execute_command(*command)
    return made.execute()


# Of any client.
ANYWHERE = {
    "command": lambda c: c.set("a", "s3cret"),
    "commands": lambda c: awaited_each(c.get("a"), c.get("b"), c.incr("n")),
    "command of many arguments": lambda c: c.mset({f"{{t}}{n}": n for n in range(20)}),
    "suppressed": suppressed,
    "wrong type": wrong_type,
    "pipeline": lambda c: pipeline(c, False, ("SET", "a", 1), ("GET", "a")),
    "pipeline of one": lambda c: pipeline(c, False, ("GET", "a")),
    "pipeline of none": lambda c: pipeline(c, False),
    "wrong type in a pipeline": wrong_type_in_a_pipeline,
}
# Of one that has a single server.
ALONE = {
    "deletion": lambda c: c.delete("a", "b"),
    "subcommand": lambda c: c.config_get("maxmemory"),
    "subcommand apart": lambda c: c.execute_command("CONFIG", "get", "maxmemory"),
    "several words": lambda c: c.execute_command("GET a"),
    "lower case": lambda c: c.execute_command("get", "a"),
    "bytes": lambda c: c.execute_command(b"GET", b"a"),
    "search": lambda c: failing(lambda: c.execute_command("FT.SEARCH", "index", "s3cret")),
    "transaction": lambda c: pipeline(c, True, ("SET", "a", 1), ("GET", "a")),
    "large pipeline": lambda c: pipeline(c, False, *[("SET", "a", 1)] * 1000),
    "watched": watched,
    "watched in vain": watched_in_vain,
    "script": script,
    "script in a pipeline": script_in_a_pipeline,
    "published": published,
}
CASES = (*ANYWHERE, *ALONE)
PIPELINES = (
    "pipeline",
    "pipeline of one",
    "wrong type in a pipeline",
    "transaction",
    "large pipeline",
    "watched",
    "watched in vain",
    "script in a pipeline",
)
ONLY_PIPELINES = ("pipeline", "pipeline of one", "transaction", "large pipeline", "script in a pipeline")
SENDING = tuple(case for case in CASES if case != "pipeline of none")
WITH_COMMANDS = tuple(case for case in SENDING if case not in ONLY_PIPELINES)
FAILING = ("wrong type", "wrong type in a pipeline", "search")
# Upstream's spans that have none of ours, by the case.
LEFT_OUT = {
    "pipeline of none": ("redis",),  # nothing is sent
    "script": ("EVALSHA failed", "SCRIPT LOAD"),  # the client loads the script and sends it again: one call
    "script in a pipeline": ("SCRIPT EXISTS", "SCRIPT LOAD"),  # within the pipeline's, not the application's
}

DEVIATIONS = (
    Deviation(
        "the operation has an attribute: upstream says it by the name",
        ("attributes.db.operation.name",),
        SENDING,
    ),
    Deviation("a pipeline is not named by all its commands: that is no bounded set", ("name",), PIPELINES),
    Deviation(
        "the name is the command's in capitals, with its subcommand, whatever form redis-py was given it in",
        ("name",),
        ("subcommand apart", "several words", "lower case", "bytes", "search"),
    ),
    Deviation(
        "and so is its text",
        ("attributes.db.query.text",),
        ("subcommand apart", "several words", "lower case", "bytes"),
    ),
    Deviation(
        "a pipeline's text is bounded",
        ("attributes.db.query.text",),
        ("large pipeline",),
    ),
    Deviation(
        "the number of arguments can be read in the text",
        ("attributes.db.redis.args_length",),
        WITH_COMMANDS,
    ),
    Deviation("a batch's size has a stable name", ("attributes.db.redis.pipeline_length",), PIPELINES),
    Deviation(
        "which is for batches of two and more",
        ("attributes.db.operation.batch.size",),
        ("pipeline", "wrong type in a pipeline", "transaction", "large pipeline"),
    ),
    Deviation("an exception's message may hold keys: its class does not", ("description", "events"), FAILING),
    Deviation("and is said where it is looked for", ("attributes.error.type",), FAILING),
)
OF_ONE_SERVER = (
    Deviation(
        "the database is the namespace: upstream says it by its old name only",
        ("attributes.db.namespace",),
        SENDING,
    ),
    Deviation(
        "the transport is known by the address",
        ("attributes.network.transport",),
        SENDING,
    ),
)
OF_A_CLUSTER = (
    Deviation(
        "upstream names the system with the server, and a cluster's client has several",
        ("attributes.db.system.name",),
        tuple(case for case in ANYWHERE if case != "pipeline of none"),
    ),
)


def label_of(span):
    return span.name if span.status.is_ok or span.status.is_unset else f"{span.name} failed"


async def awaited_each(*results):
    for result in results:
        await awaited(result)


async def spans_of(exporter, make, work):
    """Within a span of the application's."""
    client = make()
    await awaited(client.ping())
    exporter.clear()
    token = trace.context_api.attach(trace.set_span_in_context(trace.NonRecordingSpan(PARENT)))
    try:
        await awaited(work(client))
    finally:
        trace.context_api.detach(token)
        await awaited(client.aclose() if hasattr(client, "aclose") else client.close())
    return exporter.get_finished_spans()


async def both(exporter, make, work, between):
    """Our spans, and upstream's."""
    RedisInstrumentor().instrument(tracer_provider=trace.get_tracer_provider(), skip_dep_check=True)
    try:
        upstreams = await spans_of(exporter, make, work)
    finally:
        RedisInstrumentor().uninstrument()
    await awaited(between())
    setup_telemetry(FastAPI())
    ours = await spans_of(exporter, make, work)
    assert {span.instrumentation_scope.name for span in ours} <= {"wxiai_otel"}
    return ours, upstreams


@pytest.mark.parametrize("library", [redis, redis.asyncio], ids=["sync", "asyncio"])
@pytest.mark.parametrize("case", CASES)
async def test_a_clients_spans_are_upstreams_but_for_what_is_listed(spans, redis_server, case, library, monkeypatch):
    use_stable_names(monkeypatch)

    def empty():
        redis_server.ask("FLUSHALL")
        redis_server.ask("SCRIPT", "FLUSH")

    work = (ANYWHERE | ALONE)[case]
    ours, upstreams = await both(spans, lambda: library.Redis(host="127.0.0.1", port=redis_server.port), work, empty)
    assert upstreams != ()
    kept = [span for span in upstreams if label_of(span) not in LEFT_OUT.get(case, ())]
    assert case not in LEFT_OUT or len(kept) < len(upstreams)
    assert_upstreams(case, ours, kept, DEVIATIONS + OF_ONE_SERVER)


@pytest.mark.parametrize("library", [redis, redis.asyncio], ids=["sync", "asyncio"])
@pytest.mark.parametrize("case", ANYWHERE)
async def test_a_clusters_spans_are_upstreams_but_for_what_is_listed(spans, redis_cluster, case, library, monkeypatch):
    use_stable_names(monkeypatch)

    async def empty():
        client = redis.asyncio.RedisCluster(host="127.0.0.1", port=redis_cluster.port)
        await client.flushall()
        await client.aclose()

    await empty()
    make = lambda: library.RedisCluster(host="127.0.0.1", port=redis_cluster.port)  # noqa: E731
    ours, upstreams = await both(spans, make, ANYWHERE[case], empty)
    # What the client asks its nodes for itself is within the application's command.
    kept = [
        span
        for span in upstreams
        if span.parent.span_id == PARENT.span_id and label_of(span) not in LEFT_OUT.get(case, ())
    ]
    assert_upstreams(case, ours, kept, DEVIATIONS + OF_A_CLUSTER)


async def test_a_socket_is_said_as_upstream_says_it(spans, redis_server, monkeypatch):
    use_stable_names(monkeypatch)
    make = lambda: redis.Redis(unix_socket_path=redis_server.unix_socket, db=3)  # noqa: E731
    ours, upstreams = await both(spans, make, ANYWHERE["command"], lambda: None)
    assert_upstreams("command", ours, upstreams, DEVIATIONS + OF_ONE_SERVER)


async def test_a_master_behind_a_sentinel_is_not_said_to_be_at_redis_pys_default(spans, redis_server, monkeypatch):
    use_stable_names(monkeypatch)
    with run_redis(f"sentinel monitor main 127.0.0.1 {redis_server.port} 1", sentinel=True) as sentinel:
        make = lambda: Sentinel([("127.0.0.1", sentinel.port)]).master_for("main")  # noqa: E731
        ours, upstreams = await both(spans, make, ANYWHERE["command"], lambda: None)
    nowhere = Deviation("", ("attributes.server.address", "attributes.server.port"), ("command",))
    assert_upstreams("command", ours, upstreams, (*DEVIATIONS, *OF_ONE_SERVER, nowhere))


async def test_a_refused_connection_is_said_by_its_class_and_the_address_tried(spans, live):
    port = free_port()
    with pytest.raises(redis.ConnectionError):
        redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)).get("a")
    (ours,) = spans.get_finished_spans()
    assert ours.status.status_code is trace.StatusCode.ERROR
    assert (ours.attributes["error.type"], ours.attributes["server.port"]) == ("ConnectionError", port)


def test_the_table_names_each_deviation_once():
    pairs = [
        (case, field)
        for found in DEVIATIONS + OF_ONE_SERVER + OF_A_CLUSTER
        for case in found.cases
        for field in found.fields
    ]
    assert {case for case, _ in pairs} <= set(CASES)
    assert len(pairs) == len(set(pairs))
