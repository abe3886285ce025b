"""One span for each round trip, by the stable conventions, without keys, values or messages."""

import threading

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

from tests.asgi import get
from tests.internals import faults
from tests.redis.internals import Calls, ClientSpans, RedisSpans, _calls, _spans, own_traffic
from wxiai_otel import setup_telemetry

SECRET = "s3cret"


@pytest.fixture
def traced(spans, live):
    """The exporter, with the telemetry set up behind it."""
    return spans


def only(exporter):
    (span,) = exporter.get_finished_spans()
    return span


def assert_no_secret(exporter):
    for span in exporter.get_finished_spans():
        assert SECRET not in span.to_json()


def test_a_command_is_a_client_span_by_the_stable_names(traced, redis_server):
    redis.Redis(port=redis_server.port, host="127.0.0.1", db=3).set("k", SECRET)
    span = only(traced)
    assert span.name == "SET"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert span.instrumentation_scope.name == "wxiai_otel"
    assert dict(span.attributes) == {
        "db.system.name": "redis",
        "db.namespace": "3",
        "db.operation.name": "SET",
        "db.query.text": "SET ? ?",
        "server.address": "127.0.0.1",
        "server.port": redis_server.port,
    }


async def test_asyncio_commands_are_spans_too(traced, redis_server):
    client = redis.asyncio.Redis(port=redis_server.port)
    await client.config_get("maxmemory")
    await client.aclose()
    span = only(traced)
    assert (span.name, span.attributes["db.query.text"]) == ("CONFIG GET", "CONFIG GET ?")


def test_a_socket_path_is_the_address(traced, redis_server):
    redis.Redis(unix_socket_path=redis_server.unix_socket).ping()
    span = only(traced)
    assert span.attributes["server.address"] == redis_server.unix_socket
    assert "server.port" not in span.attributes


def test_a_pipeline_is_one_span_with_its_commands_without_arguments(traced, redis_server):
    pipeline = redis.Redis(port=redis_server.port).pipeline()
    pipeline.set(SECRET, 1).get(SECRET)
    pipeline.execute_command(b"GET", SECRET)
    pipeline.execute_command(f"GET {SECRET}")
    pipeline.execute()
    span = only(traced)
    assert span.name == "PIPELINE"
    assert span.attributes["db.operation.name"] == "PIPELINE"
    assert span.attributes["db.operation.batch.size"] == 4
    assert span.attributes["db.query.text"] == "SET ? ?\nGET ?\nGET ?\nGET ?"
    assert_no_secret(traced)


def test_a_pipelines_text_is_bounded(traced, redis_server):
    pipeline = redis.Redis(port=redis_server.port).pipeline()
    for n in range(5000):
        pipeline.mget([str(n)] * 10)
    pipeline.execute()
    span = only(traced)
    assert len(span.attributes["db.query.text"]) <= 4096
    assert span.attributes["db.operation.batch.size"] == 5000


def test_no_argument_leaves_in_any_form_of_a_command(traced, redis_server):
    client = redis.Redis(port=redis_server.port)
    client.execute_command(f"GET {SECRET}")
    client.execute_command(b"GET", SECRET.encode())
    client.set(SECRET, SECRET)
    client.eval(f"return '{SECRET}'", 1, SECRET)
    assert [span.name for span in traced.get_finished_spans()] == ["GET", "GET", "SET", "EVAL"]
    assert_no_secret(traced)


def test_an_error_is_its_class_and_nothing_of_its_message(traced, redis_server):
    client = redis.Redis(port=redis_server.port)
    client.hset(SECRET, "f", 1)
    with pytest.raises(redis.ResponseError):
        client.get(SECRET)
    with pytest.raises(redis.ResponseError):
        client.pipeline().get(SECRET).execute()
    for span in traced.get_finished_spans()[1:]:
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "ResponseError"
        assert span.attributes["error.type"] == "ResponseError"
        assert span.events == ()
    assert_no_secret(traced)


def test_a_search_shows_neither_its_query_nor_what_it_found(traced, redis_server):
    with pytest.raises(redis.ResponseError):  # the module is not loaded
        redis.Redis(port=redis_server.port).execute_command("FT.SEARCH", "index", SECRET)
    assert only(traced).name == "FT.SEARCH"
    assert_no_secret(traced)


def test_our_own_traffic_is_not_traced(traced, redis_server):
    with own_traffic():
        redis.Redis(port=redis_server.port).get("a")
    assert traced.get_finished_spans() == ()


def test_a_clusters_client_traces_what_it_is_asked_and_not_what_it_asks(traced, redis_cluster):
    client = redis.RedisCluster("127.0.0.1", redis_cluster.port)
    client.set("a", 1)
    assert [span.name for span in traced.get_finished_spans()] == ["SET"]


async def test_a_command_in_a_request_is_a_child_of_its_server_span(spans, redis_server):
    app = FastAPI()
    client = redis.asyncio.Redis(port=redis_server.port)

    @app.get("/")
    async def read():
        await client.get("a")

    setup_telemetry(app)
    await get(app, "/")
    await client.aclose()
    command, request = spans.get_finished_spans()
    assert (command.name, request.name) == ("GET", "GET /")
    assert command.parent.span_id == request.context.span_id


def test_an_application_that_has_instrumented_redis_itself_keeps_its_spans(spans, redis_server):
    RedisInstrumentor().instrument(tracer_provider=trace.get_tracer_provider())
    try:
        telemetry = setup_telemetry(FastAPI())
        client = redis.Redis(port=redis_server.port)
        client.get("a")
        assert len(spans.get_finished_spans()) == 1
        assert b'cache_operations_total{operation="get",result="miss"} 1.0' in telemetry.render_metrics()[0]
        telemetry.shutdown()
        client.get("a")
        assert len(spans.get_finished_spans()) == 2
    finally:
        RedisInstrumentor().uninstrument()


def test_after_the_shutdown_nothing_is_traced(traced, live, redis_server):
    live.shutdown()
    redis.Redis(port=redis_server.port).get("a")
    assert traced.get_finished_spans() == ()


def test_an_application_that_instruments_redis_after_the_setup_has_its_spans_only(spans, redis_server):
    setup_telemetry(FastAPI())
    RedisInstrumentor().instrument(tracer_provider=trace.get_tracer_provider())
    client = redis.Redis(port=redis_server.port)
    try:
        client.get("a")
        client.pipeline().get("a").execute()
    finally:
        RedisInstrumentor().uninstrument()
    client.get("a")
    scopes = [span.instrumentation_scope.name for span in spans.get_finished_spans()]
    assert scopes == ["opentelemetry.instrumentation.redis"] * 2 + ["wxiai_otel"]


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
async def test_the_span_is_the_current_one_while_its_command_is_sent_and_no_longer(traced, redis_server, kind):
    library = redis if kind == "sync" else redis.asyncio
    within = []

    class Credentials(redis.CredentialProvider):
        def get_credentials(self):
            if threading.current_thread() is threading.main_thread():  # our own clients ask, too
                within.append(trace.get_current_span())
            return ("default", "any is right")

    client = library.Redis(port=redis_server.port, credential_provider=Credentials())
    before = trace.get_current_span()
    sent = client.get("a")
    if kind == "asyncio":
        await sent
        await client.aclose()
    assert trace.get_current_span() is before
    span = only(traced)
    assert {found.get_span_context().span_id for found in within} == {span.context.span_id}


def test_where_no_span_is_received_none_is_started(redis_server, monkeypatch):
    class Counting(Sampler):
        def __init__(self):
            self.asked = 0

        def should_sample(self, *_args, **_options):
            self.asked += 1
            return SamplingResult(Decision.DROP)

        def get_description(self):
            return "counting"

    sampler = Counting()
    provider = TracerProvider(sampler)
    trace.set_tracer_provider(provider)
    telemetry = setup_telemetry(FastAPI())
    client = redis.Redis(port=redis_server.port)
    client.get("a")
    client.pipeline().get("a").execute()
    assert sampler.asked == 0
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    client.get("a")
    client.pipeline().get("a").execute()
    assert sampler.asked == 2
    assert b'cache_operations_total{operation="get",result="miss"} 4.0' in telemetry.render_metrics()[0]


PIECES = [
    (_calls, "read"),
    (_calls, "queued"),
    (_calls, "attach"),
    (_calls, "failure_of"),
    (_spans, "_place"),
    (_spans, "_text"),
    (_spans, "without_arguments"),
    (RedisSpans, "command"),
    (RedisSpans, "pipeline"),
    (ClientSpans, "wanted"),
    (ClientSpans, "start"),
    (Span, "end"),
    (Calls, "count"),
    (Calls, "observe"),
]


@pytest.mark.faulty
@pytest.mark.parametrize(("owner", "name"), PIECES, ids=lambda piece: getattr(piece, "__name__", piece))
def test_a_fault_in_a_piece_changes_no_response_and_no_exception(traced, redis_server, monkeypatch, owner, name):
    def broken(*_args, **_options):
        raise RuntimeError("broken")

    monkeypatch.setattr(owner, name, broken)
    before = sum(faults().values())
    client = redis.Redis(port=redis_server.port)
    assert client.set("a", 1) is True
    assert client.pipeline().get("a").execute() == [b"1"]
    assert client.hset("h", "f", 1) == 1
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.pipeline().get("h").execute()
    assert sum(faults().values()) > before
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.faulty
@pytest.mark.parametrize(
    ("owner", "name"), [(RedisSpans, "command"), (ClientSpans, "start"), (_calls, "failure_of"), (Span, "end")]
)
def test_commands_are_counted_also_where_their_spans_fail(traced, live, redis_server, monkeypatch, owner, name):
    def broken(*_args, **_options):
        raise RuntimeError("broken")

    monkeypatch.setattr(owner, name, broken)
    client = redis.Redis(port=redis_server.port)
    client.hset("h", "f", 1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")
    text = live.render_metrics()[0]
    assert b'cache_operations_total{operation="set",result="success"} 1.0' in text
    assert b'cache_operations_total{operation="get",result="error"} 1.0' in text


@pytest.mark.faulty
def test_a_fault_in_counting_does_not_change_a_response_or_an_exception(live, redis_server, monkeypatch):
    def broken(*_args):
        raise RuntimeError("broken")

    monkeypatch.setattr(Calls, "count", broken)
    client = redis.Redis(port=redis_server.port)
    assert client.hset("h", "f", 1) == 1
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")
    assert client.pipeline().hget("h", "f").execute() == [b"1"]
