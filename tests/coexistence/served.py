"""An application with prometheus_client metrics of its own, for several workers."""

from fastapi import FastAPI
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily

from wxiai_otel import setup_telemetry

app = FastAPI()
setup_telemetry(app)
SOLD = Counter("own_sold", "Sold.", ["kind"])
SECONDS = Histogram("own_seconds", "Seconds.", buckets=[1])
OPEN = Gauge("own_open", "Open, of all workers together.", multiprocess_mode="livesum")
LARGEST = Gauge("own_largest", "The largest.", multiprocess_mode="livemax")
READY = Gauge("own_ready", "Of each.")


class Shared:
    """A collector that asks what all workers share: each would give the same."""

    def collect(self):
        yield CounterMetricFamily("own_shared", "Shared.", value=42)


REGISTRY.register(Shared())


@app.get("/sell/{kind}")
def sell(kind: str) -> None:
    SOLD.labels(kind).inc()
    SECONDS.observe(0.5)
    OPEN.set(2)
    LARGEST.set(7)
    READY.set(1)
