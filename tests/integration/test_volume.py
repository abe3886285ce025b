"""Many series from one process are each exact: nothing between the SDK and Prometheus takes a request apart."""

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.until import until
from wxiai_otel.instruments import Instruments

pytestmark = pytest.mark.built

ROUTES = 500
STATUSES = (200, 404, 500, 502, 503)
ROLES = ("user", "admin")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_five_thousand_series_of_one_worker_are_exact(pipeline, job, protocol):
    exporter = (
        HttpExporter(endpoint=f"{pipeline.url('otlp_http')}/v1/metrics")
        if protocol == "http"
        else GrpcExporter(endpoint=pipeline.url("otlp_grpc"), insecure=True)
    )
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, 3_600_000)], Resource({"service.name": job}), shutdown_on_exit=False
    )
    requests = Instruments(provider.get_meter("wxiai_otel"), 20_000)["http.server.request.duration"]
    expected_requests, expected_durations = {}, {}
    for number in range(ROUTES):
        route = f"/api/v1/resource-{number}/{{id}}"
        for status in STATUSES:
            for role in ROLES:
                times = 1 + (number + status) % 3
                # With the error type and the scheme these are 10,000 points, which are added up to 5,000 and 500.
                for scheme in ("http", "https"):
                    error = str(status) if status >= 500 else None
                    for _ in range(times):
                        requests.record(0.25, ("GET", route, status, role, scheme, error, None))
                expected_requests[route, str(status), role] = 2 * times
                expected_durations[(route,)] = expected_durations.get((route,), 0) + 2 * times
    try:
        assert provider.force_flush()
        assert len(expected_requests) == 5000
        labels = ("endpoint", "status_code", "user_role")

        def seen():
            stored = pipeline.stored(job)
            return (
                stored.series("http_requests_total", *labels),
                stored.series("http_request_duration_seconds_count", "endpoint"),
                {(one.labels["endpoint"],): one.value for one in stored.samples if one.labels.get("le") == "0.25"},
            )

        until(lambda: pipeline.query(f'count({{job="{job}"}})'))
        until(seen, equals=(expected_requests, expected_durations, expected_durations))
    finally:
        provider.shutdown()
