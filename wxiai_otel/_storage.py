"""Where measurements are added up, once for all readers.

The SDK's own storage copies and hashes the attributes of every measurement for each of its readers. Here a series is
found by the values of its attributes, and what a reader collects is made of it by the SDK's public data model. The
result is the SDK's: cumulative, explicit buckets, and exemplars of sampled traces.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/
"""

import logging
import os
import threading
from bisect import bisect_left
from collections.abc import Sequence
from time import time_ns
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
    OTEL_METRICS_EXEMPLAR_FILTER,
)
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
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import get_current_span

from ._background import in_forked_child
from ._series import Attributes, Series, Values
from ._version import SCOPE_NAME, VERSION
from .catalogue import Instrument, Kind

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_SAMPLED = 1
_USUAL = {
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "cumulative",
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: "explicit_bucket_histogram",
    OTEL_METRICS_EXEMPLAR_FILTER: "trace_based",
}
_SCOPE = InstrumentationScope(SCOPE_NAME, VERSION)

logger = logging.getLogger("wxiai_otel")


class _Sample(NamedTuple):
    """A measurement that was made within a sampled trace."""

    value: float
    time_ns: int
    span_id: int
    trace_id: int


class _Total:
    """A counter's series."""

    __slots__ = ("attributes", "sample", "start_ns", "value")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.renew()

    def renew(self) -> None:
        self.start_ns = time_ns()
        self.value: float = 0
        self.sample: _Sample | None = None


class _Distribution:
    """A histogram's series. Samples are the last ones of each bucket."""

    __slots__ = ("attributes", "bucket_counts", "max", "min", "samples", "start_ns", "sum")

    def __init__(self, attributes: Attributes, buckets: int) -> None:
        self.attributes = attributes
        self.renew(buckets)

    def renew(self, buckets: int) -> None:
        self.start_ns = time_ns()
        self.bucket_counts = [0] * buckets
        self.sum: float = 0
        self.min = float("inf")
        self.max = float("-inf")
        self.samples: dict[int, _Sample] = {}


class CounterRecorder:
    """A counter of the catalogue."""

    __slots__ = ("_find", "_instrument", "_lock", "series")

    def __init__(self, instrument: Instrument, max_series: int) -> None:
        self._instrument = instrument
        self.series: Series[_Total] = Series(instrument, max_series, _Total)
        self._find = self.series.find
        # Reentrant: the garbage collector may run, within a measurement, what makes another one.
        self._lock = threading.RLock()

    def record(self, value: float, values: Values = (), context: Context | None = None) -> None:
        """See `instruments.Recorder.record`."""
        if not value >= 0:  # nor is NaN
            _refuse(self._instrument, value)
            return
        total = self._find(values) or self.series.of(values)
        of_span = get_current_span(context).get_span_context()
        with self._lock:
            total.value += value
            if of_span.trace_flags & _SAMPLED:
                total.sample = _Sample(value, time_ns(), of_span.span_id, of_span.trace_id)

    def collect(self, now_ns: int, since_ns: int) -> Metric | None:
        """What there is of it; ``None``: nothing."""
        points = [self._point(total, now_ns, since_ns) for total in self.series.all()]
        return _metric(self._instrument, Sum(points, _CUMULATIVE, is_monotonic=True)) if points else None

    def _point(self, total: _Total, now_ns: int, since_ns: int) -> NumberDataPoint:
        with self._lock:
            start_ns, value, sample = total.start_ns, total.value, total.sample
        samples = () if sample is None else (sample,)
        return NumberDataPoint(total.attributes, start_ns, now_ns, value, _exemplars(samples, since_ns))

    def begin_anew(self) -> None:
        """In a forked child: what the parent has counted is the parent's to tell."""
        self._lock = threading.RLock()
        self.series.renew_lock()
        for total in self.series.all():
            total.renew()


class HistogramRecorder:
    """A histogram of the catalogue."""

    __slots__ = ("_bounds", "_find", "_instrument", "_lock", "series")

    def __init__(self, instrument: Instrument, max_series: int) -> None:
        self._instrument = instrument
        self._bounds = instrument.buckets
        buckets = len(self._bounds) + 1
        self.series: Series[_Distribution] = Series(
            instrument, max_series, lambda attributes: _Distribution(attributes, buckets)
        )
        self._find = self.series.find
        self._lock = threading.RLock()

    def record(self, value: float, values: Values = (), context: Context | None = None) -> None:
        """See `instruments.Recorder.record`."""
        if not value >= 0:  # nor is NaN
            _refuse(self._instrument, value)
            return
        distribution = self._find(values) or self.series.of(values)
        bucket = bisect_left(self._bounds, value)
        of_span = get_current_span(context).get_span_context()
        with self._lock:
            distribution.bucket_counts[bucket] += 1
            distribution.sum += value
            distribution.min = min(distribution.min, value)
            distribution.max = max(distribution.max, value)
            if of_span.trace_flags & _SAMPLED:
                distribution.samples[bucket] = _Sample(value, time_ns(), of_span.span_id, of_span.trace_id)

    def collect(self, now_ns: int, since_ns: int) -> Metric | None:
        """What there is of it; ``None``: nothing."""
        found = (self._point(distribution, now_ns, since_ns) for distribution in self.series.all())
        # What was begun by a parent, and has had no measurement in this child.
        points = [point for point in found if point.count]
        return _metric(self._instrument, Histogram(points, _CUMULATIVE)) if points else None

    def _point(self, distribution: _Distribution, now_ns: int, since_ns: int) -> HistogramDataPoint:
        with self._lock:
            counts = tuple(distribution.bucket_counts)
            start_ns, total = distribution.start_ns, distribution.sum
            lowest, highest = distribution.min, distribution.max
            samples = tuple(distribution.samples.values())
        return HistogramDataPoint(
            attributes=distribution.attributes,
            start_time_unix_nano=start_ns,
            time_unix_nano=now_ns,
            count=sum(counts),
            sum=total,
            bucket_counts=counts,
            explicit_bounds=self._bounds,
            min=lowest,
            max=highest,
            exemplars=_exemplars(samples, since_ns) if samples else (),
        )

    def begin_anew(self) -> None:
        """See `CounterRecorder.begin_anew`."""
        self._lock = threading.RLock()
        self.series.renew_lock()
        for distribution in self.series.all():
            distribution.renew(len(self._bounds) + 1)


class Storage:
    """The counters and histograms of a process, whose readers add them to what the SDK has collected."""

    def __init__(self) -> None:
        self._recorders: list[CounterRecorder | HistogramRecorder] = []
        in_forked_child(self._begin_anew)

    def recorder(self, instrument: Instrument, max_series: int) -> CounterRecorder | HistogramRecorder:
        """Record an instrument of the catalogue here.

        Parameters:
            instrument: A counter or a histogram.
            max_series: The bound on its attribute sets.
        """
        kind = CounterRecorder if instrument.kind is Kind.COUNTER else HistogramRecorder
        recorder = kind(instrument, max_series)
        self._recorders.append(recorder)
        return recorder

    def added_to(self, data: MetricsData, exemplar_seconds: float | None = None) -> MetricsData:
        """What the SDK has collected, and what is recorded here.

        Parameters:
            data: The SDK's; left as it is.
            exemplar_seconds: How old exemplars may be; ``None``: of any age.
        """
        now_ns = time_ns()
        since_ns = 0 if exemplar_seconds is None else now_ns - int(exemplar_seconds * 1e9)
        collected = (recorder.collect(now_ns, since_ns) for recorder in self._recorders)
        metrics = [metric for metric in collected if metric is not None]
        if not metrics:
            return data
        first, *others = data.resource_metrics
        scopes = []
        for scope in first.scope_metrics:
            # One scope, one entry: what the SDK has observed of it is a part of ours.
            if scope.scope.name == SCOPE_NAME:
                metrics.extend(scope.metrics)
            else:
                scopes.append(scope)
        scopes.append(ScopeMetrics(_SCOPE, metrics, ""))
        return MetricsData([ResourceMetrics(first.resource, scopes, first.schema_url), *others])

    def _begin_anew(self) -> None:
        for recorder in self._recorders:
            recorder.begin_anew()


def storage_suffices() -> bool:
    """Whether the environment asks for nothing but what `Storage` does; the SDK's own storage does the rest.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """
    return all(os.environ.get(name, usual).lower() in (usual, "") for name, usual in _USUAL.items())


def _metric(instrument: Instrument, data: Sum | Histogram) -> Metric:
    return Metric(instrument.name, instrument.description, instrument.unit, data)


def _refuse(instrument: Instrument, value: float) -> None:
    logger.warning("%s: %r is not recorded; allowed are numbers from 0", instrument.name, value)


def _exemplars(samples: Sequence[_Sample], since_ns: int) -> list[Exemplar]:
    return [
        Exemplar({}, sample.value, sample.time_ns, sample.span_id, sample.trace_id)
        for sample in samples
        if sample.time_ns >= since_ns
    ]
