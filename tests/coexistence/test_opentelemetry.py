"""An application that has OpenTelemetry of its own keeps it: ours joins, and nothing is counted twice."""

from dataclasses import dataclass

import prometheus_client
import pytest
from fastapi import FastAPI
from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import create_engine, text
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware
from starlette.testclient import TestClient

from tests.scrape import scrape
from wxiai_otel import setup_telemetry

HAS_TELEMETRY = hasattr(FastAPI(), "_telemetry")
CALLER = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


def shop(**arguments) -> FastAPI:
    app = FastAPI(**arguments)
    engine = create_engine("sqlite://")

    @app.get("/orders/{order_id}")
    def order(order_id: int) -> int:
        with trace.get_tracer("shop").start_as_current_span("look up"), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        metrics.get_meter("shop").create_counter("shop.orders").add(1)
        return order_id

    return app


@pytest.fixture
def meters():
    """What a meter provider measures that the application has made before the set-up."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


def measured(reader: InMemoryMetricReader) -> dict[str, float]:
    data = reader.get_metrics_data()
    return {
        metric.name: sum(getattr(point, "value", 0) or getattr(point, "count", 0) for point in metric.data.data_points)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def kinds(spans: InMemorySpanExporter) -> list[tuple[str, str]]:
    found = sorted(spans.get_finished_spans(), key=lambda span: span.start_time)
    return [(span.name, span.kind.name) for span in found]


ONE_REQUEST = [("GET /orders/{order_id}", "SERVER"), ("look up", "INTERNAL"), ("SELECT", "CLIENT")]


def test_our_spans_and_the_applications_are_one_trace_at_its_exporter(spans, meters):
    app = shop()
    telemetry = setup_telemetry(app)

    TestClient(app).get("/orders/7", headers=CALLER)

    assert kinds(spans) == ONE_REQUEST
    assert {span.context.trace_id for span in spans.get_finished_spans()} == {int("a" * 32, 16)}
    assert scrape(telemetry).value("http_requests_total") == 1


def test_its_meters_stay_with_its_provider_and_ours_are_not_there(spans, meters):
    app = shop()
    telemetry = setup_telemetry(app)

    TestClient(app).get("/orders/7")

    assert measured(meters) == {"shop.orders": 1}
    assert not scrape(telemetry).has("shop_orders_total")


def test_without_a_provider_of_its_own_its_meters_are_at_our_endpoint():
    app = shop()
    telemetry = setup_telemetry(app)

    TestClient(app).get("/orders/7")

    assert scrape(telemetry).value("shop_orders_total") == 1


def test_its_prometheus_reader_is_at_our_endpoint_too():
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    metrics.set_meter_provider(provider)
    app = shop()
    telemetry = setup_telemetry(app)
    try:
        TestClient(app).get("/orders/7")
        assert scrape(telemetry).value("shop_orders_total") == 1
    finally:
        provider.shutdown()


def test_what_it_ends_by_itself_we_do_not_end(spans, meters):
    app = shop()
    setup_telemetry(app).shutdown()

    trace.get_tracer("shop").start_span("after").end()

    assert ("after", "INTERNAL") in kinds(spans)


def test_with_all_of_them_at_once_a_request_is_one_span_and_one_count(spans, meters):
    """FastAPI's telemetry, starlette's middleware, and a counting middleware of prometheus_client."""
    arguments = {"telemetry": {"tracing": True, "metrics": True}} if HAS_TELEMETRY else {}
    app = shop(**arguments)
    app.add_middleware(OpenTelemetryMiddleware)
    theirs = prometheus_client.Counter("http_requests", "Counted by a middleware.", ["path"])

    @app.middleware("http")
    async def count(request, call_next):
        theirs.labels(request.url.path).inc()
        return await call_next(request)

    telemetry = setup_telemetry(app)
    try:
        TestClient(app).get("/orders/7")

        assert kinds(spans) == ONE_REQUEST
        assert measured(meters) == {"shop.orders": 1}
        assert scrape(telemetry).series("http_requests_total", "endpoint") == {("/orders/{order_id}",): 1}
    finally:
        prometheus_client.REGISTRY.unregister(theirs)


def test_upstreams_instrumentation_keeps_its_span_and_its_metrics(spans, meters):
    app = shop()
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    try:
        telemetry = setup_telemetry(app)
        TestClient(app).get("/orders/7")
    finally:
        FastAPIInstrumentor.uninstrument_app(app)

    servers = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert [span.instrumentation_scope.name for span in servers] == ["opentelemetry.instrumentation.fastapi"]
    assert {"http.server.request.duration", "http.server.duration"} & measured(meters).keys()
    assert scrape(telemetry).value("http_requests_total") == 1


class Wrapper(trace.TracerProvider):
    """A provider around the SDK's, as logfire's is (test_logfire.py has that one, where it is installed)."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider

    def get_tracer(self, *arguments, **further):
        return self.provider.get_tracer(*arguments, **further)


def test_a_provider_in_a_wrapper_is_joined(caplog):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(Wrapper(provider))
    app = shop()
    setup_telemetry(app)

    TestClient(app).get("/orders/7")

    assert kinds(exporter) == ONE_REQUEST
    assert "Overriding" not in caplog.text


def test_one_that_is_neither_the_sdks_nor_around_it_stays_and_ours_goes_beside_it(caplog):
    theirs = trace.NoOpTracerProvider()
    trace.set_tracer_provider(theirs)
    app = shop()
    telemetry = setup_telemetry(app)

    TestClient(app).get("/orders/7")

    assert trace.get_tracer_provider() is theirs
    assert scrape(telemetry).value("http_requests_total") == 1
    assert "Overriding" not in caplog.text


@dataclass
class Unhashable(CompositePropagator):
    """A propagator that cannot be the key of a dictionary, as logfire's."""

    def __init__(self) -> None:
        super().__init__([TraceContextTextMapPropagator()])


def test_whatever_the_propagator_is_a_request_belongs_to_its_caller(spans):
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Unhashable())
    try:
        app = shop()
        telemetry = setup_telemetry(app)
        TestClient(app).get("/orders/7", headers=CALLER)
    finally:
        propagate.set_global_textmap(before)

    assert spans.get_finished_spans()[-1].context.trace_id == int("a" * 32, 16)
    assert scrape(telemetry).value("http_requests_total") == 1
