"""Instruments of every kind, as an application or another instrumentation uses them."""

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.metrics import Observation

from tests.otlp import http_receiver
from tests.scrape import scrape
from wxiai_otel import Telemetry, setup_telemetry

MOST = 20

SYNCHRONOUS = {
    "counter": ("create_counter", "add"),
    "up_down_counter": ("create_up_down_counter", "add"),
    "histogram": ("create_histogram", "record"),
    "gauge": ("create_gauge", "set"),
}
OBSERVED = {
    "observable_counter": "create_observable_counter",
    "observable_up_down_counter": "create_observable_up_down_counter",
    "observable_gauge": "create_observable_gauge",
}
KINDS = [*SYNCHRONOUS, *OBSERVED]
ADDED_UP = [kind for kind in KINDS if "gauge" not in kind]


@dataclass
class Measured:
    """An instrument of a foreign meter that is given one measurement for each set of attributes."""

    kind: str
    name: str = "shop.things"

    def __post_init__(self) -> None:
        self._observations: list[Observation] = []
        meter = metrics.get_meter("shop")
        if self.kind in OBSERVED:
            getattr(meter, OBSERVED[self.kind])(self.name, [lambda _options: self._observations])
        else:
            create, method = SYNCHRONOUS[self.kind]
            self._record = getattr(getattr(meter, create)(self.name), method)

    def measure(self, *attributes: Any) -> None:
        """Measure 1 for each; an observable instrument observes these from now on, and no others."""
        if self.kind in OBSERVED:
            self._observations = [Observation(1, one) for one in attributes]
        else:
            for one in attributes:
                self._record(1, one)


def series(telemetry: Telemetry, name: str = "shop_things") -> dict[tuple[tuple[str, str], ...], float]:
    """The values of a metric by labels: of a counter the total, of a histogram the count."""
    names = (name, f"{name}_total", f"{name}_count")
    found = {}
    for sample in scrape(telemetry).samples:
        if sample.name in names:
            key = tuple(sorted(sample.labels.items()))
            assert key not in found, "a series appears twice"
            found[key] = sample.value
    return found


def refused(telemetry: Telemetry, instrument: str = "shop.things") -> float:
    return scrape(telemetry).value("wxiai_otel_series_refused_total", instrument=instrument)


OVERFLOW = (("otel_metric_overflow", "true"),)


@pytest.fixture
def bounded() -> Telemetry:
    return setup_telemetry(FastAPI(), max_series=MOST)


@pytest.fixture
def receiver(monkeypatch):
    with http_receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        yield received
