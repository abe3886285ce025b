"""A readable table of the contract's metrics, from what Prometheus would scrape."""

import math
from collections.abc import Iterable, Sequence

from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.table import Table

from wxiai_otel.catalogue import INSTRUMENTS, Metric

# From here on nobody reads the decimals.
MANY = 100

SECTIONS = {
    "http": "HTTP",
    "websocket": "HTTP",
    "db": "Database",
    "cache": "Cache",
    "redis": "Cache",
    "health": "System",
    "active": "Users",
    "ai": "AI tasks",
    "credits": "Credits",
    "payment": "Failures and security",
    "wxiai": "Telemetry itself",
}


def metrics_table(text: str) -> Table:
    """The metrics of an exposition that the catalogue knows, with what their series say."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    table = Table(title="What Prometheus sees", title_justify="left", pad_edge=False)
    table.add_column("Metric", no_wrap=True, min_width=32)
    table.add_column("Type", no_wrap=True, min_width=9)
    table.add_column("Series", justify="right", no_wrap=True, min_width=6)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("Largest series", no_wrap=True, overflow="ellipsis")
    section = ""
    for instrument in INSTRUMENTS:
        for metric in instrument.metrics:
            family = families.get(metric.name.removesuffix("_total") if metric.type == "counter" else metric.name)
            if family is None or not family.samples:
                continue
            title = SECTIONS.get(metric.name.partition("_")[0], "")
            if title and title != section:
                section = title
                table.add_section()
                table.add_row(f"[bold]{title}")
            table.add_row(metric.name, metric.type, *_described(family, metric, instrument.unit))
    return table


def _described(family: Family, metric: Metric, unit: str) -> tuple[str, str, str]:
    if family.type == "histogram":
        counts = [sample for sample in family.samples if sample.name.endswith("_count")]
        buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
        total = sum(sample.value for sample in counts)
        value = f"{total:,.0f}, p95 {_quantile(0.95, buckets)} {unit.strip('{}')}" if total else "0"
        return str(len(counts)), value, _largest(counts, metric)
    total = sum(sample.value for sample in family.samples)
    value = {"By": f"{total / 2**20:,.1f} MiB", "1": f"{total:.3%}"}.get(unit, _number(total))
    return str(len(family.samples)), value, _largest(family.samples, metric)


def _largest(samples: Sequence[Sample], metric: Metric) -> str:
    largest = sorted((sample for sample in samples if sample.value), key=lambda sample: -sample.value)
    return (
        "\n".join(
            f"{_number(sample.value):>6}  {' '.join(sample.labels[label] for label in metric.labels)}"
            for sample in largest[:3]
        )
        if metric.labels
        else ""
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= MANY else f"{value:.3g}"


def _quantile(quantile: float, buckets: Iterable[Sample]) -> str:
    """The bound of the bucket in which the quantile lies, over all series."""
    counts: dict[float, float] = {}
    for sample in buckets:
        bound = float(sample.labels["le"])
        counts[bound] = counts.get(bound, 0) + sample.value
    total = max(counts.values(), default=0)
    bounds = sorted(counts)
    bound = next(bound for bound in bounds if counts[bound] >= quantile * total)
    return f"≤ {bound:g}" if not math.isinf(bound) else f"> {bounds[-2]:g}"
