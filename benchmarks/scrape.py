"""What a scrape of 5,000 series costs: the embedded endpoint's against the plain Prometheus exporter's."""

import subprocess
import sys
from time import process_time

SERIES = 5_000


def scrape_ratio() -> float:
    """The embedded endpoint's time over the plain exporter's, each in a process of its own."""
    from .processes import python

    ours, plain = (
        float(subprocess.run(python("benchmarks.scrape", which), check=True, capture_output=True, text=True).stdout)
        for which in ("ours", "plain")
    )
    return ours / plain


def seconds(which: str, times: int = 10) -> float:
    """The processor's time for one scrape, of the fastest of some."""
    from fastapi import FastAPI
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import CollectorRegistry, generate_latest

    if which == "ours":
        import wxiai_otel

        telemetry = wxiai_otel.setup_telemetry(FastAPI(), state_redis="memory")
        instruments = telemetry._runtime.instruments  # type: ignore[union-attr]

        def scrape() -> bytes:
            return telemetry.render_metrics()[0]
    else:
        from wxiai_otel.instruments import Instruments

        registry = CollectorRegistry()
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
        instruments = Instruments(MeterProvider([reader]).get_meter("plain"), 10_000)

        def scrape() -> bytes:
            return generate_latest(registry)

    fill(instruments)
    scrape()
    found = []
    for _ in range(times):
        started = process_time()
        scrape()
        found.append(process_time() - started)
    return min(found)


def fill(instruments: object) -> None:
    """Requests of enough routes for 5,000 series: each has the buckets, the sum and the count."""
    record = instruments["http.server.request.duration"].record  # type: ignore[index] # as said
    buckets = 17
    for number in range(SERIES // buckets):
        record(0.1, ("GET", f"/route{number}", 200, "user", "http", None, None))


if __name__ == "__main__":
    print(seconds(sys.argv[1]))
