"""From the SDK's metrics to the contract's: the interpreter of the catalogue that works in process."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.metrics.export import Metric as SdkMetric

from .._labels import printable
from .._version import SCOPE_NAME
from ..catalogue import BY_NAME, Attribute, Instrument, Metric

Labels = tuple[str, ...]
Exemplars = list[Any]


@dataclass(slots=True)
class Number:
    """A counter's or gauge's value, and since when it has been counted."""

    value: float = 0
    start_ns: int | None = None


@dataclass(slots=True)
class Distribution:
    """A histogram's value: a count for each bucket, not yet cumulative."""

    bucket_counts: list[int]
    sum: float = 0
    start_ns: int | None = None
    exemplars: Exemplars = field(default_factory=list)


@dataclass(slots=True)
class Family:
    """A metric of the contract and its series."""

    metric: Metric
    description: str
    bounds: Sequence[float]
    series: dict[Labels, Any]


def split(data: MetricsData) -> tuple[list[SdkMetric], list[SdkMetric]]:
    """The metrics of the catalogue, and those of the application's own meters."""
    ours: list[SdkMetric] = []
    others: list[SdkMetric] = []
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                ours_too = scope.scope.name == SCOPE_NAME and metric.name in BY_NAME
                (ours if ours_too else others).append(metric)
    return ours, others


def families(metric: SdkMetric) -> Iterator[Family]:
    """What the contract makes of a metric of the catalogue."""
    instrument = BY_NAME[metric.name]
    for contract_metric in instrument.metrics:
        points = [
            point
            for point in metric.data.data_points
            if contract_metric.unless is None or contract_metric.unless not in (point.attributes or ())
        ]
        yield _family(instrument, contract_metric, points)


def _family(instrument: Instrument, metric: Metric, points: Iterable[Any]) -> Family:
    attributes = tuple(instrument.attribute_of(label) for label in metric.labels)
    renames = tuple(dict(attribute.rename) for attribute in attributes)
    series: dict[Labels, Any] = {}
    bounds: Sequence[float] = instrument.buckets
    for point in points:
        labels = _labels(attributes, renames, point)
        if metric.type == "histogram":
            bounds = point.explicit_bounds
            _add_distribution(series, labels, point)
        else:
            _add_number(series, labels, point, point.count if metric.of_count else point.value)
    return Family(metric, instrument.description, bounds, series)


def _labels(attributes: tuple[Attribute, ...], renames: tuple[dict[str, str], ...], point: Any) -> Labels:
    found = []
    given = point.attributes
    for attribute, rename in zip(attributes, renames, strict=True):
        value = given.get(attribute.key)
        # Before the series are told apart: two values may be printed alike.
        text = attribute.absent if value is None or value == "" else printable(str(value))
        found.append(rename.get(text, text))
    return tuple(found)


def _add_number(series: dict[Labels, Number], labels: Labels, point: NumberDataPoint, value: float) -> None:
    number = series.get(labels)
    if number is None:
        number = series[labels] = Number()
    number.value += value
    number.start_ns = _earlier(number.start_ns, point.start_time_unix_nano)


def _add_distribution(series: dict[Labels, Distribution], labels: Labels, point: HistogramDataPoint) -> None:
    distribution = series.get(labels)
    if distribution is None:
        series[labels] = Distribution(
            list(point.bucket_counts), point.sum, point.start_time_unix_nano, list(point.exemplars)
        )
        return
    counts = distribution.bucket_counts
    for index, count in enumerate(point.bucket_counts):
        counts[index] += count
    distribution.sum += point.sum
    distribution.exemplars.extend(point.exemplars)
    distribution.start_ns = _earlier(distribution.start_ns, point.start_time_unix_nano)


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
