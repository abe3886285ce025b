"""Reading an exposition as a test wants to: by name and labels."""

from collections.abc import Iterable

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from wxiai_otel import Telemetry

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Scrape:
    """The samples of one scrape."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum over the series that have these labels; 0 without one."""
        return sum(sample.value for sample in self.samples if _matches(sample, name, labels))

    def series(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Value by the values of the labels named, of all series."""
        found: dict[tuple[str, ...], float] = {}
        for sample in self.samples:
            if sample.name == name:
                key = tuple(sample.labels[label] for label in labels)
                found[key] = found.get(key, 0) + sample.value
        return found

    def has(self, name: str, **labels: str) -> bool:
        """Whether there is such a series."""
        return any(_matches(sample, name, labels) for sample in self.samples)


def _matches(sample: Sample, name: str, labels: dict[str, str]) -> bool:
    return sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())


def parse(text: str) -> Scrape:
    """Parse Prometheus' text format."""
    return Scrape(sample for family in parse_text(text) for sample in family.samples)


def scrape(telemetry: Telemetry) -> Scrape:
    """The current values, by OpenMetrics and its strict parser."""
    body, _ = telemetry.render_metrics(OPENMETRICS)
    return Scrape(sample for family in parse_openmetrics(body.decode()) for sample in family.samples)
