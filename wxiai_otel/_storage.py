"""Where measurements are added up, once for all readers.

The SDK's own storage copies and hashes the attributes of every measurement for each of its readers. Here a series is
found by the values of its attributes, and what a reader collects is made of it by the SDK's public data model. The
result is the SDK's: cumulative, explicit buckets, and exemplars of sampled traces.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/
"""

import logging
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import time_ns
from typing import Any, NamedTuple

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
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags, get_current_span

from ._background import in_forked_child
from ._beside import garbage_kept
from ._reentry import Serial
from ._series import Attributes, Series, Values
from ._version import SCOPE_NAME, VERSION
from .catalogue import Instrument, Kind

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_USUAL = {
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "cumulative",
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: "explicit_bucket_histogram",
    OTEL_METRICS_EXEMPLAR_FILTER: "trace_based",
}
_SCOPE = InstrumentationScope(SCOPE_NAME, VERSION)

_HOLD_SECONDS = 1.0

logger = logging.getLogger("wxiai_otel")

# The SDK's own storage has locks: measurements are queued here while one is added or a reader collects.
sdk_storage = Serial()


def collects_alone(reader: Any) -> None:
    """Hold `sdk_storage` while an SDK reader collects, so that no destructor waits for a lock of the SDK."""
    collect: Callable[..., Any] | None = getattr(reader, "_collect", None)
    if collect is None:
        return

    def collect_alone(*args: Any, **kwargs: Any) -> Any:
        with sdk_storage.held(_HOLD_SECONDS), garbage_kept:
            return collect(*args, **kwargs)

    reader._collect = collect_alone  # noqa: SLF001 - no public way


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
        """Begin at 0."""
        self.start_ns = time_ns()
        self.value: float = 0
        self.sample: _Sample | None = None

    def add(self, value: float, sample: _Sample | None) -> None:
        """Add a measurement, without a call: for a signal handler it is either added or not."""
        self.value += value
        if sample is not None:
            self.sample = sample

    def point(self, now_ns: int, since_ns: int) -> NumberDataPoint:
        """What it is now, with exemplars that are no older."""
        sample = self.sample
        samples = () if sample is None else (sample,)
        return NumberDataPoint(self.attributes, self.start_ns, now_ns, self.value, _exemplars(samples, since_ns))


class _Distribution:
    """A histogram's series. Samples are the last ones of each bucket."""

    __slots__ = ("attributes", "bounds", "bucket_counts", "max", "min", "samples", "start_ns", "sum")

    def __init__(self, bounds: Sequence[float], attributes: Attributes) -> None:
        self.attributes = attributes
        self.bounds = bounds
        self.renew()

    def renew(self) -> None:
        """Begin with no measurement."""
        self.start_ns = time_ns()
        self.bucket_counts = [0] * (len(self.bounds) + 1)
        self.sum: float = 0
        self.min = float("inf")
        self.max = float("-inf")
        self.samples: dict[int, _Sample] = {}

    def add(self, value: float, sample: _Sample | None) -> None:
        """See `_Total.add`."""
        bucket = bisect_left(self.bounds, value)
        # No call from here on, so that a collection sees the whole measurement or none of it.
        self.bucket_counts[bucket] += 1
        self.sum += value
        if value < self.min:  # noqa: PLR1730 - `min` would be a call
            self.min = value
        if value > self.max:  # noqa: PLR1730
            self.max = value
        if sample is not None:
            self.samples[bucket] = sample

    def point(self, now_ns: int, since_ns: int) -> HistogramDataPoint | None:
        """See `_Total.point`; ``None`` where a parent has begun it and this child has measured nothing."""
        # No call and no allocation after the counts: either could run a destructor that measures.
        bucket_counts = self.bucket_counts[:]
        total, low, high = self.sum, self.min, self.max
        count = sum(bucket_counts)
        if not count:
            return None
        return HistogramDataPoint(
            attributes=self.attributes,
            start_time_unix_nano=self.start_ns,
            time_unix_nano=now_ns,
            count=count,
            sum=total,
            bucket_counts=tuple(bucket_counts),
            explicit_bounds=self.bounds,
            min=low,
            max=high,
            exemplars=_exemplars(self.samples.copy().values(), since_ns),
        )


class StoredRecorder:
    """A counter or histogram of the catalog, without a lock: see `_reentry`.

    Parameters:
        instrument: An instrument of the catalog.
        max_series: Maximum number of its attribute sets.
    """

    __slots__ = ("_find", "_instrument", "series")

    def __init__(self, instrument: Instrument, max_series: int) -> None:
        self._instrument = instrument
        make = _Total if instrument.kind is Kind.COUNTER else partial(_Distribution, instrument.buckets)
        self.series: Series[_Total | _Distribution] = Series(instrument, max_series, make)
        self._find = self.series.find

    def record(self, value: float, values: Values = (), context: Context | None = None) -> None:
        """See `instruments.Recorder.record`."""
        if not value >= 0:  # nor is NaN
            logger.warning("%s: %r is not recorded; allowed are numbers from 0", self._instrument.name, value)
            return
        kept = self._find(values) or self.series.of(values)
        # No span is in an empty context.
        sample = _sample(value, context) if context or context is None else None
        kept.add(value, sample)

    def collect(self, now_ns: int, since_ns: int) -> Metric | None:
        """What there is of it; ``None``: nothing."""
        found: list[Any] = [point for kept in self.series.all() if (point := kept.point(now_ns, since_ns))]
        if not found:
            return None
        instrument = self._instrument
        counts = instrument.kind is Kind.COUNTER
        data = Sum(found, _CUMULATIVE, is_monotonic=True) if counts else Histogram(found, _CUMULATIVE)
        return Metric(instrument.name, instrument.description, instrument.unit, data)

    def begin_anew(self) -> None:
        """In a forked child: what the parent has counted is the parent's to tell."""
        for kept in self.series.all():
            kept.renew()


class Storage:
    """The counters and histograms of a process, whose readers add them to what the SDK has collected."""

    def __init__(self) -> None:
        self._recorders: list[StoredRecorder] = []
        in_forked_child(self._begin_anew)

    def recorder(self, instrument: Instrument, max_series: int) -> StoredRecorder:
        """Record an instrument of the catalogue here.

        Parameters:
            instrument: A counter or a histogram.
            max_series: The bound on its attribute sets.
        """
        recorder = StoredRecorder(instrument, max_series)
        self._recorders.append(recorder)
        return recorder

    def added_to(self, data: MetricsData | None, exemplar_seconds: float | None = None) -> MetricsData:
        """Return the SDK's metrics together with those of this storage.

        Parameters:
            data: The metrics that the SDK collected, which stay unchanged; ``None`` if there are none.
            exemplar_seconds: Maximum age of exemplars, in seconds; ``None`` for any age.
        """
        now_ns = time_ns()
        since_ns = 0 if exemplar_seconds is None else now_ns - int(exemplar_seconds * 1e9)
        collected = (recorder.collect(now_ns, since_ns) for recorder in self._recorders)
        metrics = [metric for metric in collected if metric is not None]
        if data is None or not data.resource_metrics:
            data = MetricsData([ResourceMetrics(Resource.get_empty(), [], "")])
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


def _sample(value: float, context: Context | None) -> _Sample | None:
    """The measurement, where it is made within a sampled trace."""
    of_span = get_current_span(context).get_span_context()
    sampled = of_span.trace_flags & TraceFlags.SAMPLED
    return _Sample(value, time_ns(), of_span.span_id, of_span.trace_id) if sampled else None


def _exemplars(samples: Iterable[_Sample], since_ns: int) -> list[Exemplar]:
    return [
        Exemplar({}, sample.value, sample.time_ns, sample.span_id, sample.trace_id)
        for sample in samples
        if sample.time_ns >= since_ns
    ]
