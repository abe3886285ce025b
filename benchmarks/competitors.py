"""The competitors: each puts its telemetry into an application and says how to export what it has recorded."""

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import FastAPI


class Flush(NamedTuple):
    """How a competitor exports: its spans, and its metrics (of those that are scraped: a scrape)."""

    spans: Callable[[], object]
    metrics: Callable[[], object]


def _nothing() -> None:
    """Export nothing."""


def _bare(_app: FastAPI) -> Flush:
    return Flush(_nothing, _nothing)


def _scrape() -> None:
    from prometheus_client import generate_latest

    generate_latest()


def _specification(app: FastAPI) -> Flush:
    """The middleware that the platform's specification shows: BaseHTTPMiddleware with prometheus_client."""
    from prometheus_client import Counter, Gauge, Histogram
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.routing import Match

    labels = ["method", "endpoint"]
    requests = Counter("http_requests_total", "Requests.", [*labels, "status_code", "user_role"])
    durations = Histogram("http_request_duration_seconds", "Durations.", labels)
    current = Gauge("http_concurrent_connections", "In flight.")

    def template(request: Request) -> str:
        for route in request.app.routes:
            if route.matches(request.scope)[0] is Match.FULL:
                return str(getattr(route, "path", "unmatched"))
        return "unmatched"

    class Middleware(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            started = time.time()
            current.inc()
            try:
                response = await call_next(request)
            finally:
                current.dec()
            endpoint = template(request)
            user = getattr(request.state, "user", None)
            role = getattr(user, "role", "anonymous")
            requests.labels(request.method, endpoint, response.status_code, role).inc()
            durations.labels(request.method, endpoint).observe(time.time() - started)
            return response

    app.add_middleware(Middleware)
    return Flush(_nothing, _scrape)


def _instrumentator(app: FastAPI) -> Flush:
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app)
    return Flush(_nothing, _scrape)


def _starlette_exporter(app: FastAPI) -> Flush:
    from starlette_exporter import PrometheusMiddleware

    app.add_middleware(PrometheusMiddleware)
    return Flush(_nothing, _scrape)


def _providers(*, metrics: bool = True) -> tuple[Any, Any, Flush]:
    """The SDK with OTLP over HTTP, as its documentation sets it up."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{os.environ['BENCH_SINK_URL']}/v1/traces")))
    if not metrics:
        return tracers, NoOpMeterProvider(), Flush(tracers.force_flush, _nothing)
    exporter = OTLPMetricExporter(f"{os.environ['BENCH_SINK_URL']}/v1/metrics")
    meters = MeterProvider([PeriodicExportingMetricReader(exporter)])
    return tracers, meters, Flush(tracers.force_flush, meters.force_flush)


def _upstream(app: FastAPI, *, metrics: bool = True, best: bool = False) -> Flush:
    """OpenTelemetry's instrumentations of FastAPI, SQLAlchemy and Redis, by default as they come."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    tracers, meters, flush = _providers(metrics=metrics)
    options: dict[str, Any] = {"exclude_spans": ["receive", "send"]} if best else {}
    FastAPIInstrumentor.instrument_app(app, tracer_provider=tracers, meter_provider=meters, **options)
    # It declares SQLAlchemy below 2.1, and does nothing on 2.1 unless it is told not to look.
    SQLAlchemyInstrumentor().instrument(
        engines=_engines(), tracer_provider=tracers, meter_provider=meters, skip_dep_check=True
    )
    RedisInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters, skip_dep_check=True)
    return flush


def _engines() -> list[Any]:
    """The engines that the application has made: upstream instruments later ones by itself, these only when named."""
    import gc

    from sqlalchemy.engine import Engine

    return [found for found in gc.get_objects() if isinstance(found, Engine)]


def _logfire(app: FastAPI) -> Flush:
    import logfire
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    sink = os.environ["BENCH_SINK_URL"]
    spans = BatchSpanProcessor(OTLPSpanExporter(f"{sink}/v1/traces"))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{sink}/v1/metrics"))
    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[spans],
        metrics=logfire.MetricsOptions(additional_readers=[reader]),
    )
    logfire.instrument_fastapi(app)
    logfire.instrument_sqlalchemy(engines=_engines(), skip_dep_check=True)
    logfire.instrument_redis()
    return Flush(spans.force_flush, reader.force_flush)


def _native(app: FastAPI, *, operation_spans: bool) -> Flush:
    """FastAPI's own telemetry, which begins with global providers."""
    from opentelemetry import metrics, trace

    tracers, meters, flush = _providers()
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    app._telemetry["operation_spans"] = operation_spans
    return flush


def _ours(app: FastAPI, **settings: object) -> Flush:
    from opentelemetry import trace

    import wxiai_otel

    telemetry = wxiai_otel.setup_telemetry(app, **settings)
    if settings.get("traces_exporter") == "none":
        return Flush(_nothing, telemetry.render_metrics)
    provider: Any = trace.get_tracer_provider()
    return Flush(provider.force_flush, telemetry.force_flush)


COMPETITORS: dict[str, Callable[[FastAPI], Flush]] = {
    "bare": _bare,
    "specification": _specification,
    "instrumentator": _instrumentator,
    "starlette-exporter": _starlette_exporter,
    "upstream": _upstream,
    "upstream-best": lambda app: _upstream(app, best=True),
    "upstream-traces": lambda app: _upstream(app, metrics=False, best=True),
    "logfire": _logfire,
    "native": lambda app: _native(app, operation_spans=True),
    "native-no-operations": lambda app: _native(app, operation_spans=False),
    "ours-metrics": lambda app: _ours(app, traces_exporter="none", metrics_exporter="none"),
    "ours-full": lambda app: _ours(app, otlp_endpoint=os.environ["BENCH_SINK_URL"]),
}
