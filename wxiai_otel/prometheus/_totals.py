"""Totals of all workers of a server: what one process would have counted, in as many series as one process may have.

A series has a JSON key: ``["own", instrument, attributes]`` for the catalog, ``["sdk", metric, attributes]`` for the
application's own meters and ``["app", family, labels]`` for its `prometheus_client` metrics, see `cumulative_series`.
Totals do not depend on the order in which workers are read or end: sums are rounded once, and the oldest series are
kept where there are too many.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import fsum, isfinite
from operator import add, lt, sub
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as PrometheusMetric

from .._series import OVERFLOW, Series
from .._storage import series_key
from .._version import SCOPE_NAME
from ..catalogue import BY_NAME, Across, Kind
from ..foreign import MAX_INSTRUMENTS, MAX_SETS
from ._application import ApplicationFamily
from ._segment import Record

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_CREATED = "_created"
_NANOSECONDS = 1e9
# What OpenTelemetry calls the series of all further attribute sets.
_OVERFLOWED = {"otel.metric.overflow": True}

Exemplars = dict[bytes, list[tuple[float, int, int, int]]]


class SeriesValue(NamedTuple):
    """One series of this process: its key, start, sum and counts."""

    key: bytes
    start_ns: int
    sum: float
    counts: list[float]

    def since(self, before: "SeriesValue | None") -> "SeriesValue":
        """Return what was counted since; everything if it was reset meanwhile."""
        if before is None or any(map(lt, self.counts or [self.sum], before.counts or [before.sum])):
            return self
        return self._replace(sum=self.sum - before.sum, counts=[*map(sub, self.counts, before.counts)])


class Total:
    """The sum of one series over workers."""

    __slots__ = ("counts", "order", "start_ns", "sums")

    def __init__(self, order: int, start_ns: int, sums: list[float], counts: list[float]) -> None:
        self.order = order
        self.start_ns = start_ns
        self.sums = sums
        self.counts = counts

    def add(self, other: "Total") -> None:
        """Add another one of the same series."""
        if len(other.counts) == len(self.counts):
            self.order = min(self.order, other.order)
            self.start_ns = min(self.start_ns, other.start_ns)
            self.sums += other.sums
            self.counts = list(map(add, self.counts, other.counts))

    def record(self, key: bytes) -> Record:
        """Return it as a record: the sum is rounded, and its rounding error kept."""
        total = _sum(self.sums)
        error = fsum([*self.sums, -total]) if isfinite(total) else 0.0
        return Record(key, self.order, self.start_ns, [total, error, *self.counts])


Totals = dict[bytes, Total]


def _sum(values: list[float]) -> float:
    """Return the rounded sum; infinite or NaN if one of the values is, or if it is too large."""
    try:
        return fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def add_records(totals: Totals, records: Iterable[Record]) -> None:
    """Add the records of one worker."""
    for key, order, start_ns, cells in records:
        one = Total(order, start_ns, cells[:2], cells[2:])
        found = totals.setdefault(key, one)
        if found is not one:
            found.add(one)


def add_exemplars(exemplars: Exemplars, published: Any) -> None:
    """Add the exemplars that one worker has published. What is none, e.g. from a damaged file, is left out."""
    with suppress(TypeError, ValueError, AttributeError):
        for key, samples in published:
            found = [(float(value), int(time), int(span), int(trace)) for value, time, span, trace in samples]
            exemplars.setdefault(key.encode(), []).extend(found)


def bounded(totals: Totals, most: int) -> Totals:
    """Merge series into overflow series, so that each instrument and attribute has at most as many as in one process.

    Parameters:
        totals: Totals of any workers. They are consumed.
        most: The setting max_series.
    """
    admission = _Admission(most)
    kept: Totals = {}
    for key, total in sorted(totals.items(), key=lambda item: item[1].order):
        admitted = admission.key(key, total.counts)
        if admitted is not None and kept.setdefault(admitted, total) is not total:
            kept[admitted].add(total)
    return kept


class _Admission:
    def __init__(self, most: int) -> None:
        self._most = most
        self._series: dict[str, Series[dict[str, Any]]] = {}
        self._counted: dict[str, dict[str, int]] = defaultdict(dict)

    def key(self, key: bytes, counts: list[float]) -> bytes | None:
        """Return the key under which a series is shown; ``None`` if it is none of this version's."""
        try:
            kind, name, attributes = json.loads(key)
            if len(counts) != _LAYOUTS[kind](name) or not all(map(isfinite, counts)):
                return None
            return self._own(key, name, attributes) if kind == "own" else self._other(key, kind, name, attributes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def _own(self, key: bytes, name: str, attributes: dict[str, Any]) -> bytes:
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = Series(BY_NAME[name], self._most, dict)
        shown = series.of(tuple(attributes.get(attribute.key) for attribute in BY_NAME[name].attributes))
        return key if shown == attributes else series_key("own", name, shown)

    def _other(self, key: bytes, kind: str, name: Any, attributes: dict[str, Any]) -> bytes | None:
        identity, counted = json.dumps(name), self._counted[kind]
        if identity not in counted and len(counted) >= MAX_INSTRUMENTS:
            return None
        number = counted[identity] = counted.get(identity, 0) + 1
        if number <= (min(self._most, MAX_SETS) if kind == "sdk" else self._most):
            return key
        return series_key(kind, name, _OVERFLOWED if kind == "sdk" else dict.fromkeys(attributes, OVERFLOW))


def _own_counts(name: str) -> int:
    instrument = BY_NAME[name]
    return len(instrument.buckets) + 1 if instrument.kind is Kind.HISTOGRAM else 0


def _sdk_counts(name: list[Any]) -> int:
    _scope, _name, _unit, _description, bounds = name
    return 0 if bounds is None else len(bounds) + 1


def _app_counts(name: list[Any]) -> int:
    _name, _type, _documentation, layout = name
    return len(layout)


# How many counts a series has, by the kind and name in its key.
_LAYOUTS: dict[str, Callable[[Any], int]] = {"own": _own_counts, "sdk": _sdk_counts, "app": _app_counts}


def cumulative_series(scope: InstrumentationScope, metric: Metric) -> list[SeriesValue] | None:
    """Return the series of a counter or histogram; ``None`` for other metrics."""
    data: Any = metric.data
    if isinstance(data, Sum) and data.is_monotonic:
        bounds = None
    elif isinstance(data, Histogram):
        bounds = next((point.explicit_bounds for point in data.data_points), ())
    else:
        return None
    own = scope.name == SCOPE_NAME and metric.name in BY_NAME
    kind, name = (
        ("own", metric.name) if own else ("sdk", [scope.name, metric.name, metric.unit, metric.description, bounds])
    )
    return [
        SeriesValue(
            series_key(kind, name, dict(point.attributes or {})),
            point.start_time_unix_nano or 0,
            point.value if bounds is None else point.sum,
            [] if bounds is None else [*point.bucket_counts],
        )
        for point in data.data_points
    ]


def is_of_prometheus_client(key: bytes) -> bool:
    """Return whether a series is one of `application_series`."""
    return key.startswith(b'["app"')


def application_series(family: ApplicationFamily) -> list[SeriesValue] | None:
    """Return the series of a counter, histogram or summary of `prometheus_client`; ``None`` for other metrics."""
    if family.type not in ("counter", "histogram", "summary") or family.across is not Across.SUM:
        return None
    found: dict[str, tuple[dict[str, str], list[Any]]] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        found.setdefault(json.dumps(labels), (labels, []))[1].append(sample)
    return [_application_series(family, labels, samples) for labels, samples in found.values()]


def _application_series(family: ApplicationFamily, labels: dict[str, str], samples: list[Any]) -> SeriesValue:
    created = next((sample.value for sample in samples if sample.name.endswith(_CREATED)), 0)
    counted = [sample for sample in samples if not sample.name.endswith((_CREATED, "_sum", "_total"))]
    layout = [[sample.name.removeprefix(family.name), sample.labels.get("le")] for sample in counted]
    name = [family.name, family.type, family.documentation, layout]
    total = next((sample.value for sample in samples if sample.name.endswith(("_sum", "_total"))), 0)
    return SeriesValue(
        series_key("app", name, labels), int(created * _NANOSECONDS), total, [sample.value for sample in counted]
    )


def metrics_data(totals: Totals, exemplars: Exemplars) -> MetricsData:
    """Return the totals of catalog and meters as the SDK has them."""
    found: dict[str, tuple[Any, list[Any]]] = {}
    now = time_ns()
    for key, total in totals.items():
        kind, name, attributes = json.loads(key)
        if kind == "own":
            instrument = BY_NAME[name]
            bounds = instrument.buckets if instrument.kind is Kind.HISTOGRAM else None
            name = [SCOPE_NAME, name, instrument.unit, instrument.description, bounds]
        elif kind != "sdk":
            continue
        bounds = name[4]
        samples = [Exemplar({}, *exemplar) for exemplar in exemplars.get(key, ())]
        value = _sum(total.sums)
        counts = tuple(map(int, total.counts))
        if bounds is None:
            point: Any = NumberDataPoint(attributes, total.start_ns, now, value, samples)
        elif any(counts):
            point = HistogramDataPoint(
                attributes, total.start_ns, now, sum(counts), value, counts, bounds, 0, 0, samples
            )
        else:  # a child that has measured nothing
            continue
        found.setdefault(json.dumps(name), (name, []))[1].append(point)
    scopes: dict[str, list[Metric]] = defaultdict(list)
    for (scope, name, unit, description, bounds), points in found.values():
        data = Sum(points, _CUMULATIVE, is_monotonic=True) if bounds is None else Histogram(points, _CUMULATIVE)
        scopes[scope].append(Metric(name, description, unit, data))
    return MetricsData(
        [
            ResourceMetrics(
                Resource.get_empty(),
                [ScopeMetrics(InstrumentationScope(scope), metrics, "") for scope, metrics in scopes.items()],
                "",
            )
        ]
    )


def application_totals(totals: Totals) -> Iterator[PrometheusMetric]:
    """Yield the totals of the application's `prometheus_client` metrics."""
    found: dict[tuple[str, str], PrometheusMetric] = {}
    for key, total in totals.items():
        kind, name, labels = json.loads(key)
        if kind != "app":
            continue
        family_name, family_type, documentation, layout = name
        family = found.get((family_name, family_type))
        if family is None:
            family = found[family_name, family_type] = PrometheusMetric(family_name, documentation, family_type)
        for (suffix, le), value in zip(layout, total.counts, strict=True):
            family.add_sample(family_name + suffix, labels if le is None else {**labels, "le": le}, value)
        suffix = "_total" if family_type == "counter" else "_sum"
        family.add_sample(family_name + suffix, labels, _sum(total.sums))
        if total.start_ns:
            family.add_sample(family_name + _CREATED, labels, total.start_ns / _NANOSECONDS)
    yield from found.values()
