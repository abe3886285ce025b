"""Metrics of meters that are not ours, combined so that each series appears once in an exposition.

Several scopes may have an instrument of one name, and attributes that differ may have the same labels: ``a.b`` and
``a_b``, or ``1`` and ``"1"``.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.exporter.prometheus._mapping import map_unit, sanitize_attribute, sanitize_full_name
from opentelemetry.sdk.metrics.export import Gauge, HistogramDataPoint, Metric

from .._labels import printable

Labels = dict[str, str]


def by_family(metrics: Iterable[Metric]) -> list[list[Metric]]:
    """Return the metrics in lists, one for each family of the exposition."""
    families: dict[tuple[object, ...], list[Metric]] = {}
    for metric in metrics:
        families.setdefault(_family(metric), []).append(metric)
    return [*families.values()]


def combined(metrics: Sequence[Metric]) -> Metric:
    """Return the metrics of a family as one, with labels as attributes. Series with equal labels are added up.

    Of gauges that the SDK does not add up, the last one is kept.
    """
    first = metrics[0]
    data: Any = first.data
    points: dict[frozenset[tuple[str, str]], Any] = {}
    for metric in metrics:
        for point in metric.data.data_points:
            labels = _labels(point.attributes or {})
            key = frozenset(labels.items())
            known = points.get(key)
            if known is None or isinstance(data, Gauge):
                points[key] = replace(point, attributes=labels)
            else:
                points[key] = _sum(known, point)
    return replace(first, data=replace(data, data_points=[*points.values()]))


def _family(metric: Metric) -> tuple[object, ...]:
    data: Any = metric.data
    bounds = {tuple(getattr(point, "explicit_bounds", ())) for point in data.data_points}
    kind = (type(data), getattr(data, "is_monotonic", None), frozenset(bounds))
    return sanitize_full_name(metric.name), metric.description, map_unit(metric.unit or ""), *kind


def _labels(attributes: Any) -> Labels:
    """Return the labels of a series. An empty label is the same as none."""
    found = ((sanitize_attribute(key), _text(value)) for key, value in attributes.items())
    return {label: text for label, text in found if text}


def _text(value: object) -> str:
    # As upstream's exporter writes them.
    return printable(value if isinstance(value, str) else json.dumps(value, default=str))


def _sum(one: Any, other: Any) -> Any:
    start = min(one.start_time_unix_nano or 0, other.start_time_unix_nano or 0)
    if not isinstance(one, HistogramDataPoint):
        return replace(one, value=one.value + other.value, start_time_unix_nano=start)
    return replace(
        one,
        count=one.count + other.count,
        sum=one.sum + other.sum,
        bucket_counts=[left + right for left, right in zip(one.bucket_counts, other.bucket_counts, strict=True)],
        start_time_unix_nano=start,
    )
