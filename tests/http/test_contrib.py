"""With upstream's server spans the metrics are the same as with ours."""

import asyncio
from contextlib import asynccontextmanager
from functools import cache

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from starlette.testclient import TestClient

from tests.asgi import get
from tests.conftest import forget_global_providers
from tests.http.corpus import CASES, application
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

SERVER_SPANS = ("wxiai_otel", "opentelemetry.instrumentation.fastapi")
SERIES = {
    "http_requests_total": ("method", "endpoint", "status_code", "user_role"),
    "http_request_duration_seconds_count": ("method", "endpoint"),
    "http_stream_first_byte_seconds_count": ("method", "endpoint"),
    "http_stream_duration_seconds_count": ("method", "endpoint", "outcome"),
    "websocket_duration_seconds_count": ("endpoint", "outcome"),
    "application_errors_total": ("error_type", "component"),
    "http_concurrent_connections": (),
    "websocket_connections": (),
}


async def measured_by(engine: str):
    """The series of the corpus, and to which requests the exemplars of each method and endpoint belong."""
    forget_global_providers()
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    app = application()
    telemetry = setup_telemetry(app, http_engine=engine, sql=False, redis=False)
    case_of = {}
    for case in CASES:
        exporter.clear()
        await case.send(app)
        for span in exporter.get_finished_spans():
            if span.instrumentation_scope.name in SERVER_SPANS and not span.name.startswith("BackgroundTask"):
                case_of[format(span.context.span_id, "016x")] = case.name
    seen = scrape(telemetry)
    telemetry.shutdown()
    exemplars = {}
    for sample in seen.samples:
        if sample.exemplar:
            key = (sample.name, sample.labels.get("method", ""), sample.labels["endpoint"])
            exemplars.setdefault(key, set()).add(case_of[sample.exemplar.labels["span_id"]])
    return {name: seen.series(name, *labels) for name, labels in SERIES.items()}, exemplars


REFUSED = ("websocket rejected", "websocket failing before acceptance", "websocket not found")


@cache
def measured(engine: str):
    return asyncio.run(measured_by(engine))


@pytest.mark.parametrize("name", SERIES)
def test_the_series_are_those_of_the_native_engine(name):
    native, contrib = measured("native")[0], measured("contrib")[0]

    assert contrib[name] == native[name]
    assert native[name]


def test_each_request_and_rejected_handshake_is_counted_once():
    requests = [case for case in CASES if case.incoming is None or case.name in REFUSED]

    for engine in ("native", "contrib"):
        assert sum(measured(engine)[0]["http_requests_total"].values()) == len(requests)


def test_each_method_and_endpoint_has_an_exemplar_of_a_server_span_of_its_own():
    native, contrib = measured("native")[1], measured("contrib")[1]

    assert contrib.keys() == native.keys()
    requests = {key[1:] for key in native if key[0] == "http_request_duration_seconds_bucket"}
    counted = {key[:2] for key in measured("native")[0]["http_request_duration_seconds_count"]}
    # An exemplar follows the sampler: one case has a parent that is not sampled, but its endpoint has others.
    assert requests == counted
    for engine in (native, contrib):
        assert engine["http_request_duration_seconds_bucket", "GET", "/me/{role}/forbidden"] == {"user who may not"}
        assert engine["http_request_duration_seconds_bucket", "GET", "/boom/twice"] == {"exception whose handler fails"}
        assert engine["http_stream_first_byte_seconds_bucket", "GET", "/stream/sse"] == {"sse"}


@pytest.fixture
def site() -> FastAPI:
    app = FastAPI()
    app.get("/x")(lambda: None)
    return app


def upstreams(exporter):
    return [span.name for span in exporter.get_finished_spans() if "fastapi" in span.instrumentation_scope.name]


async def test_after_the_shutdown_there_are_no_spans(site, spans):
    telemetry = setup_telemetry(site, http_engine="contrib", traces_exporter="none")
    await get(site, "/x")
    telemetry.shutdown()
    spans.clear()

    assert (await get(site, "/x")).status == 200
    assert [name for name in upstreams(spans) if name.startswith("GET /x ")] == []
    assert "opentelemetry.instrumentation.fastapi" not in {
        s.instrumentation_scope.name for s in spans.get_finished_spans()
    }


@pytest.mark.parametrize("first", ["native", "contrib"])
@pytest.mark.parametrize("second", ["native", "contrib"])
async def test_after_the_shutdown_either_engine_can_be_set_up_again(site, spans, first, second):
    telemetry = setup_telemetry(site, http_engine=first)
    await get(site, "/x")
    telemetry.shutdown()
    spans.clear()
    telemetry = setup_telemetry(site, http_engine=second)

    await get(site, "/x")

    (span,) = spans.get_finished_spans()
    assert ("fastapi" in span.instrumentation_scope.name) == (second == "contrib")
    assert scrape(telemetry).series("http_requests_total", "endpoint") == {("/x",): 1}
    assert (await get(site, "/monitoring/metrics")).status == 200
    telemetry.shutdown()


@pytest.mark.parametrize("engine", ["native", "contrib"])
async def test_either_engine_can_be_set_up_in_the_lifespan_handler(engine, spans):
    started = []

    @asynccontextmanager
    async def lifespan(app):
        started.append(setup_telemetry(app, http_engine=engine))
        yield

    app = FastAPI(lifespan=lifespan)
    app.get("/x/{n}")(lambda n: n)
    with TestClient(app) as client:
        client.get("/x/1")

    (span,) = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert span.name == "GET /x/{n}"
    assert scrape(started[0]).series("http_requests_total", "endpoint") == {("/x/{n}",): 1}
    started[0].shutdown()


@pytest.mark.parametrize("engine", ["native", "contrib"])
@pytest.mark.parametrize("path", ["/x", "/none", "/silent/x"])
async def test_within_a_span_of_the_caller_the_exemplar_is_of_the_requests_own(site, engine, path, spans):
    async def silent(scope, receive, send):
        return None

    site.mount("/silent", silent)
    telemetry = setup_telemetry(site, http_engine=engine)
    with trace.get_tracer("caller").start_as_current_span("outer"):
        await get(site, path)

    (of_request,) = [span for span in spans.get_finished_spans() if span.name != "outer"]
    exemplars = {s.exemplar.labels["span_id"] for s in scrape(telemetry).samples if s.exemplar}
    assert exemplars == {format(of_request.context.span_id, "016x")}
    telemetry.shutdown()


@pytest.mark.parametrize("chosen", ["", "http/dup"])
async def test_the_conventions_are_stable_though_sql_and_redis_read_the_choice_first(site, spans, monkeypatch, chosen):
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    if chosen:
        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", chosen)
    telemetry = setup_telemetry(site, http_engine="contrib")
    await get(site, "/x")
    telemetry.shutdown()

    (span,) = spans.get_finished_spans()
    assert span.attributes["url.path"] == "/x"
    assert ("http.target" in span.attributes) == bool(chosen)
