"""Exporters of spans, metrics and log records, as the settings and OpenTelemetry's variables say."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from .settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a signal goes by OTLP.

    Parameters:
        endpoint: Its URL.
        grpc: Whether by gRPC, else by HTTP.
    """

    endpoint: str
    grpc: bool


def endpoints(settings: Settings) -> dict[str, str]:
    """Where each signal goes by OTLP, by its name; what goes nowhere is left out."""
    exporters = {
        "traces": settings.traces_exporter,
        "metrics": settings.metrics_exporter,
        "logs": settings.logs_exporter,
    }
    found = {
        signal: _target(signal, exporter, settings) for signal, exporter in exporters.items() if exporter == "otlp"
    }
    return {signal: target.endpoint for signal, target in found.items() if target is not None}


def span_exporter(settings: Settings) -> SpanExporter | None:
    """Where spans go; ``None``: nowhere."""
    if settings.traces_exporter == "console":
        return ConsoleSpanExporter()
    if (target := _target("traces", settings.traces_exporter, settings)) is None:
        return None
    if target.grpc:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter

        return _by_grpc(GrpcSpanExporter, target)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return _by_http(OTLPSpanExporter, target)


def metric_exporter(settings: Settings) -> MetricExporter | None:
    """Where metrics go besides the embedded endpoint; ``None``: nowhere."""
    if settings.metrics_exporter == "console":
        return ConsoleMetricExporter()
    if (target := _target("metrics", settings.metrics_exporter, settings)) is None:
        return None
    if target.grpc:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter

        return _by_grpc(GrpcMetricExporter, target)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return _by_http(OTLPMetricExporter, target)


def log_exporter(settings: Settings) -> "LogRecordExporter | None":
    """Where log records go besides the application's handlers; ``None``: nowhere."""
    if settings.logs_exporter == "console":
        from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter

        return ConsoleLogRecordExporter()
    if (target := _target("logs", settings.logs_exporter, settings)) is None:
        return None
    if target.grpc:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter

        return _by_grpc(GrpcLogExporter, target)
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return _by_http(OTLPLogExporter, target)


def _by_grpc(exporter: type[E], target: _Target) -> E:
    # Imported here, because only OTLP by gRPC needs grpc.
    from ._otlp_grpc import bounded_exporter

    make: Callable[..., E] = bounded_exporter(exporter)
    return make(endpoint=target.endpoint)


def _by_http(exporter: Callable[..., E], target: _Target) -> E:
    # Here, since requests is imported for OTLP by HTTP only.
    from ._otlp_session import otlp_session

    return exporter(endpoint=target.endpoint, session=otlp_session())


def _target(signal: str, exporter: str, settings: Settings) -> _Target | None:
    """A signal's own variables go before what is said of all."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    if exporter == "none" or not (own or settings.otlp_endpoint):
        return None
    protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or settings.otlp_protocol
    grpc = protocol.strip().lower() == "grpc"
    # opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    of_all = settings.otlp_endpoint if grpc else f"{settings.otlp_endpoint.rstrip('/')}/v1/{signal}"
    return _Target(own or of_all, grpc)
