"""Spans and metrics go out by OTLP where an endpoint is configured, and nowhere otherwise."""

import threading
import time

import pytest
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.asgi import get
from tests.internals import Storage, faults
from tests.otlp import grpc_receiver, http_receiver
from tests.scrape import scrape
from tests.until import until
from wxiai_otel import setup_telemetry

NOT_SAMPLED = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")


@pytest.fixture(autouse=True)
def every_trace_is_chosen(monkeypatch):
    monkeypatch.setenv("WXIAI_OTEL_TRACE_SHARE", "1")


@pytest.fixture(params=[http_receiver, grpc_receiver], ids=["http", "grpc"])
def receiver(request, monkeypatch):
    with request.param() as received:
        if request.param is grpc_receiver:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        yield received


async def test_spans_and_metrics_arrive_with_the_resource_of_the_process(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    app = FastAPI(title="shop", version="3.1")
    telemetry = setup_telemetry(app, environment="staging")

    await get(app, "/x")
    assert telemetry.force_flush()

    assert [span.name for span in receiver.spans] == ["GET"]
    (point,) = receiver.points("http.server.request.duration")
    assert point.count == 1
    resource = receiver.resource
    assert resource["service.name"] == "shop"
    assert resource["service.version"] == "3.1"
    assert resource["deployment.environment.name"] == "staging"
    assert len(resource["service.instance.id"]) == 36


@pytest.mark.parametrize(("protocol", "start"), [("grpc", grpc_receiver), ("http/protobuf", http_receiver)])
async def test_arguments_are_enough(protocol, start):
    with start() as received:
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=received.url, otlp_protocol=protocol)
        await get(app, "/x")
        telemetry.force_flush()

    assert len(received.spans) == 1


async def test_the_standard_variables_name_the_service(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "named")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=9,deployment.environment.name=prod")
    telemetry = setup_telemetry(FastAPI(title="title", version="1"))

    assert scrape(telemetry).series("system_info", "service_name", "version", "environment") == {
        ("named", "9", "prod"): 1
    }


async def test_one_signal_can_have_an_endpoint_of_its_own(monkeypatch):
    with http_receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{received.url}/v1/traces")
        app = FastAPI()
        telemetry = setup_telemetry(app)
        await get(app, "/x")
        telemetry.force_flush()

    assert len(received.spans) == 1
    assert received.metrics == []


@pytest.mark.parametrize(
    ("variable", "missing"), [("OTEL_TRACES_EXPORTER", "traces"), ("OTEL_METRICS_EXPORTER", "metrics")]
)
async def test_a_signal_can_be_switched_off(variable, missing, monkeypatch):
    monkeypatch.setenv(variable, "none")
    with http_receiver() as received:
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=received.url)
        await get(app, "/x")
        telemetry.force_flush()

    assert getattr(received, missing) == []
    assert len(received.traces) + len(received.metrics) == 1


async def test_metrics_are_exported_by_themselves_at_the_interval(monkeypatch):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    with http_receiver() as received:
        app = FastAPI()
        setup_telemetry(app, otlp_endpoint=received.url)
        await get(app, "/x")
        assert until(lambda: received.points("http.server.request.duration"))


@pytest.mark.faulty
async def test_an_export_that_cannot_be_made_is_a_fault_and_the_next_one_has_it_all(monkeypatch):
    original, failures = Storage.added_to, [RuntimeError("once"), RuntimeError("twice")]

    def failing(self, *args):
        if failures:
            raise failures.pop()
        return original(self, *args)

    with http_receiver() as received:
        app = FastAPI()
        setup_telemetry(app, otlp_endpoint=received.url, metric_export_interval=0.1)
        monkeypatch.setattr(Storage, "added_to", failing)
        await get(app, "/x")
        until(lambda: not failures and received.points("http.server.request.duration"))
    assert faults()["metrics.collect"] == 2
    assert received.points("http.server.request.duration")[0].count == 1


async def test_what_is_pending_is_exported_at_shutdown():
    with http_receiver() as received:
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=received.url)
        for _ in range(300):
            await get(app, "/x")
        telemetry.shutdown()

    assert len(received.spans) == 300
    assert sum(point.count for point in received.points("http.server.request.duration")) == 300


async def test_a_dead_collector_costs_no_request_and_a_bounded_end():
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint="http://127.0.0.1:9", shutdown_timeout=0.5)
    for _ in range(50):
        assert (await get(app, "/x")).status == 404

    started = time.monotonic()
    telemetry.shutdown()

    assert time.monotonic() - started < 8  # an export without a deadline takes 10 s and more


async def test_without_an_endpoint_nothing_listens_and_no_span_is_recorded():
    threads = set(threading.enumerate())
    app = FastAPI()
    setup_telemetry(app, redis=False)
    recording = []

    @app.get("/x")
    async def x():
        span = trace.get_current_span()
        recording.append((span.is_recording(), span.get_span_context().is_valid))

    await get(app, "/x")

    assert recording == [(False, True)]
    assert not [thread for thread in set(threading.enumerate()) - threads if "Otel" in thread.name]


async def test_a_processor_that_the_application_adds_later_receives_spans():
    app = FastAPI()
    setup_telemetry(app)
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))

    await get(app, "/x")

    assert len(exporter.get_finished_spans()) == 1


async def test_the_applications_own_tracer_provider_is_joined_and_never_shut_down(spans):
    own = trace.get_tracer_provider()
    app = FastAPI()
    telemetry = setup_telemetry(app)
    await get(app, "/x")
    telemetry.shutdown()

    with own.get_tracer("app").start_as_current_span("after"):
        pass

    assert [span.name for span in spans.get_finished_spans()] == ["GET", "after"]
    assert trace.get_tracer_provider() is own


async def test_the_applications_own_meters_appear_too():
    app = FastAPI()
    telemetry = setup_telemetry(app)
    metrics.get_meter("app").create_counter("shop.orders").add(3, {"kind": "big"})

    assert scrape(telemetry).value("shop_orders_total", kind="big") == 3


class TestSampling:
    """Anyone can send a sampled flag: it is obeyed only where the setting says so."""

    @staticmethod
    def exporter():
        exporter = InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
        return exporter

    async def test_a_parent_that_is_not_sampled_is_not_obeyed(self):
        app = FastAPI()
        setup_telemetry(app)
        exporter = self.exporter()

        await get(app, "/x", headers=[NOT_SAMPLED])

        (span,) = exporter.get_finished_spans()
        assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"

    async def test_unless_it_is_trusted(self):
        app = FastAPI()
        setup_telemetry(app, trust_parent_sampling=True)
        exporter = self.exporter()

        await get(app, "/x", headers=[NOT_SAMPLED])
        await get(app, "/x")

        assert len(exporter.get_finished_spans()) == 1

    async def test_the_standard_variable_goes_before(self, monkeypatch):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        app = FastAPI()
        setup_telemetry(app)
        exporter = self.exporter()

        await get(app, "/x")

        assert exporter.get_finished_spans() == ()


def test_our_tracer_provider_is_the_global_one():
    setup_telemetry(FastAPI())

    assert isinstance(trace.get_tracer_provider(), TracerProvider)
