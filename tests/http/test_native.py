"""One server span and one count for each request, whatever else in the process would make another."""

import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, WebSocket
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.middleware import Middleware

from tests.asgi import get, websocket
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

ENGINES = ["native", "contrib"]
HAS_TELEMETRY = hasattr(FastAPI(), "_telemetry")
PATHS = {
    "/x/1": "/x/{n}",
    "/one/x/1": "/one/x/{n}",
    "/one/two/t/x/1": "/one/two/{tenant}/x/{n}",
    "/one/two/t/three/x/1": "/one/two/{tenant}/three/x/{n}",
    "/one/two/t/three/none": "/one/two/{tenant}/three/{path}",
}


def nested(levels: int = 3, **arguments) -> FastAPI:
    """An application with FastAPI applications mounted in each other."""
    app = FastAPI(**arguments)
    app.get("/x/{n}")(lambda n: n)

    @app.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.close()

    if levels:
        app.mount({3: "/one", 2: "/two/{tenant}", 1: "/three"}[levels], nested(levels - 1, **arguments))
    return app


@pytest.fixture
def meters() -> InMemoryMetricReader:
    """What is measured by a global meter provider that the application has made before the set-up."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture
def uninstrumented() -> Iterator[list[FastAPI]]:
    """Applications to be rid of upstream's instrumentation in the end, which patches starlette for all."""
    apps: list[FastAPI] = []
    yield apps
    for app in apps:
        FastAPIInstrumentor.uninstrument_app(app)


def server_spans(exporter: InMemorySpanExporter) -> list[str]:
    return [span.instrumentation_scope.name for span in exporter.get_finished_spans() if span.kind.name == "SERVER"]


def names(reader: InMemoryMetricReader) -> set[str]:
    data = reader.get_metrics_data()
    resources = data.resource_metrics if data else ()
    return {metric.name for found in resources for scope in found.scope_metrics for metric in scope.metrics}


async def each_path_is_one_span_and_one_count(app, telemetry, exporter, scope="wxiai_otel"):
    for path in PATHS:
        exporter.clear()
        await get(app, path)
        assert server_spans(exporter) == [scope], path
    assert scrape(telemetry).series("http_requests_total", "endpoint") == {
        (endpoint,): 1 for endpoint in PATHS.values()
    }


class TestGlobalProviders:
    async def test_made_by_the_application_before_the_set_up_they_double_nothing(self, spans, meters):
        app = nested()
        telemetry = setup_telemetry(app)

        await each_path_is_one_span_and_one_count(app, telemetry, spans)

        assert not {name for name in names(meters) if name.startswith("http.")}
        assert len(spans.get_finished_spans()) == 1

    async def test_made_after_the_set_up_they_double_nothing(self):
        app = nested()
        telemetry = setup_telemetry(app, trace_share=1)
        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        theirs = TracerProvider()
        for provider in (theirs, trace.get_tracer_provider()):
            provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(theirs)
        metrics.set_meter_provider(MeterProvider([reader]))

        await each_path_is_one_span_and_one_count(app, telemetry, exporter)

        assert not {name for name in names(reader) if name.startswith("http.")}

    async def test_websockets_have_one_span_too(self, spans, meters):
        app = nested()
        telemetry = setup_telemetry(app)

        for path in ("/ws", "/one/ws", "/one/two/t/ws"):
            await websocket(app, path, [])

        assert server_spans(spans) == ["wxiai_otel"] * 3
        assert scrape(telemetry).series("websocket_duration_seconds_count", "endpoint") == {
            ("/ws",): 1,
            ("/one/ws",): 1,
            ("/one/two/{tenant}/ws",): 1,
        }

    async def test_a_mounted_application_set_up_as_well_doubles_nothing(self, spans, meters):
        app = nested()
        telemetry = setup_telemetry(app)
        setup_telemetry(app.routes[-1].app)

        await each_path_is_one_span_and_one_count(app, telemetry, spans)

    @pytest.mark.parametrize("engine", ENGINES)
    async def test_upstreams_engine_doubles_nothing_either(self, engine, spans, meters):
        app = nested()
        telemetry = setup_telemetry(app, http_engine=engine)
        scope = "wxiai_otel" if engine == "native" else "opentelemetry.instrumentation.fastapi"

        await each_path_is_one_span_and_one_count(app, telemetry, spans, scope)
        telemetry.shutdown()

        assert not {name for name in names(meters) if name.startswith("http.")}


class TestFastAPIsOwnTelemetry:
    """From 0.165 a FastAPI application makes spans and metrics by itself once there is a provider."""

    async def test_is_off_and_after_the_shutdown_as_it_was(self, spans, meters):
        app = nested()
        before = dict(getattr(app, "_telemetry", {}))
        telemetry = setup_telemetry(app)
        during = dict(getattr(app, "_telemetry", {}))
        await get(app, "/one/x/1")
        telemetry.shutdown()

        assert not any(during.get(signal) for signal in ("tracing", "metrics", "logs"))
        assert getattr(app, "_telemetry", {}) == before
        assert server_spans(spans) == ["wxiai_otel"]
        spans.clear()
        await get(app, "/one/x/1")
        assert server_spans(spans) == ["fastapi"] * HAS_TELEMETRY

    async def test_is_off_where_the_application_gave_it_providers(self, spans):
        theirs = TracerProvider()
        theirs.add_span_processor(SimpleSpanProcessor(spans))
        app = nested(**{"telemetry": {"tracer_provider": theirs}} if HAS_TELEMETRY else {})
        telemetry = setup_telemetry(app)

        await each_path_is_one_span_and_one_count(app, telemetry, spans)

    async def test_stays_on_where_http_is_not_ours(self, spans):
        app = nested()
        setup_telemetry(app, http=False)

        await get(app, "/one/x/1")

        assert server_spans(spans) == ["fastapi"] * HAS_TELEMETRY


class TestStarlettesMiddleware:
    @pytest.fixture
    def middleware(self):
        module = "starlette.middleware.opentelemetry"
        return pytest.importorskip(module, reason="an older Starlette has none").OpenTelemetryMiddleware

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_is_passed_by_with_a_warning(self, middleware, when, spans, meters, caplog):
        app = nested()
        if when == "before":
            app.add_middleware(middleware)
        with caplog.at_level(logging.WARNING, "wxiai_otel"):
            telemetry = setup_telemetry(app)
            if when == "after":
                app.add_middleware(middleware)

            await each_path_is_one_span_and_one_count(app, telemetry, spans)

        assert caplog.text.count("OpenTelemetryMiddleware is in the middleware stack") == 1
        assert not {name for name in names(meters) if name.startswith("http.")}

    async def test_is_passed_by_in_a_mounted_application(self, middleware, spans, meters):
        app = nested(middleware=[Middleware(middleware)])
        telemetry = setup_telemetry(app)

        await each_path_is_one_span_and_one_count(app, telemetry, spans)


class TestUpstreamsInstrumentation:
    @pytest.mark.parametrize("engine", ENGINES)
    async def test_in_place_before_the_set_up_keeps_its_spans_and_gets_our_metrics(self, engine, spans, uninstrumented):
        app = nested()
        FastAPIInstrumentor.instrument_app(app)
        uninstrumented.append(app)
        telemetry = setup_telemetry(app, http_engine=engine)

        await each_path_is_one_span_and_one_count(app, telemetry, spans, "opentelemetry.instrumentation.fastapi")

    @pytest.mark.parametrize("engine", ENGINES)
    async def test_in_place_before_the_set_up_stays_after_its_end(self, engine, spans, uninstrumented):
        app = nested()
        FastAPIInstrumentor.instrument_app(app)
        uninstrumented.append(app)
        setup_telemetry(app, http_engine=engine).shutdown()

        await get(app, "/x/1")

        assert server_spans(spans) == ["opentelemetry.instrumentation.fastapi"]

    async def test_put_in_place_after_the_set_up_makes_no_second_server_span(self, spans, uninstrumented):
        app = nested()
        telemetry = setup_telemetry(app)
        FastAPIInstrumentor.instrument_app(app)
        uninstrumented.append(app)

        await each_path_is_one_span_and_one_count(app, telemetry, spans)
