"""Where measurements are added up, once for all readers.

The SDK's own storage copies and hashes the attributes of every measurement for each of its readers. Here a series is
found by the values of its attributes, and what a reader collects is made of it by the SDK's public data model. The
result is the SDK's: cumulative, explicit buckets, and exemplars of sampled traces.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/
"""

import json
import logging
import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from time import time_ns
from typing import Any, NamedTuple, Protocol

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

from ._background import in_forked_child, pause, resume
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

logger = logging.getLogger("wxiai_otel")


class _Sample(NamedTuple):
    """A measurement that was made within a sampled trace."""

    value: float
    time_ns: int
    span_id: int
    trace_id: int


class Segment(Protocol):
    """Shared memory in which other processes read series: see `prometheus._segment`."""

    def allocate(self, key: bytes, cells: int, start_ns: int) -> Any | None:
        """Return the cells of a new series: a float sum, its rounding error, and counts. ``None`` if it is full."""


def series_key(kind: str, name: object, attributes: Attributes) -> bytes:
    """Return the key of a series in shared memory: see `prometheus._totals`."""
    return json.dumps([kind, name, attributes], separators=(",", ":"), default=str).encode()


# Cells before a histogram's counts.
_SUM_CELLS = 2


class _Total:
    """A counter's series. Its cells are a copy of the value for other processes."""

    __slots__ = ("attributes", "cells", "sample", "segment", "start_ns", "value")

    def __init__(self, attributes: Attributes, _bounds: Sequence[float], cells: Any) -> None:
        self.attributes = attributes
        self.cells = cells
        self.segment: Segment | None = None
        self.start_ns = time_ns()
        self.value: float = 0
        self.sample: _Sample | None = None

    def copy_to(self, cells: Any) -> None:
        """Keep a copy in these cells from now on."""
        self.cells = cells
        cells[0] = self.value

    def samples_by_bucket(self) -> list[_Sample]:
        """Return the samples of all buckets."""
        return [] if self.sample is None else [self.sample]

    def add(self, value: float, sample: _Sample | None) -> None:
        """Add a measurement, without a call: for a signal handler it is either added or not."""
        self.value += value
        self.cells[0] = self.value
        if sample is not None:
            self.sample = sample

    def point(self, now_ns: int, since_ns: int) -> NumberDataPoint:
        """What it is now, with exemplars that are no older."""
        sample = self.sample
        samples = () if sample is None else (sample,)
        return NumberDataPoint(self.attributes, self.start_ns, now_ns, self.value, _exemplars(samples, since_ns))


class _Distribution:
    """A histogram's series. Samples are the last ones of each bucket. Its cells: see `_Total`."""

    __slots__ = (
        "attributes",
        "bounds",
        "bucket_counts",
        "cells",
        "max",
        "min",
        "samples",
        "segment",
        "start_ns",
        "sum",
    )

    def __init__(self, attributes: Attributes, bounds: Sequence[float], cells: Any) -> None:
        self.attributes = attributes
        self.bounds = bounds
        self.cells = cells
        self.segment: Segment | None = None
        self.start_ns = time_ns()
        self.bucket_counts = [0] * (len(self.bounds) + 1)
        self.sum: float = 0
        self.min = float("inf")
        self.max = float("-inf")
        self.samples: dict[int, _Sample] = {}

    def copy_to(self, cells: Any) -> None:
        """See `_Total.copy_to`."""
        # From here on, each measurement writes its own cells.
        self.cells = cells
        cells[0] = self.sum
        for bucket in range(len(self.bucket_counts)):
            cells[_SUM_CELLS + bucket] = self.bucket_counts[bucket]

    def samples_by_bucket(self) -> list[_Sample]:
        """See `_Total.samples_by_bucket`."""
        return [*self.samples.copy().values()]

    def add(self, value: float, sample: _Sample | None) -> None:
        """See `_Total.add`."""
        bucket = bisect_left(self.bounds, value)
        # No call from here on, so that a collection sees the whole measurement or none of it.
        self.bucket_counts[bucket] += 1
        self.sum += value
        cells = self.cells
        cells[0] = self.sum
        cells[_SUM_CELLS + bucket] = self.bucket_counts[bucket]
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

    __slots__ = ("_find", "_instrument", "_kind", "_parents", "_segment", "_unshared", "series")

    def __init__(self, instrument: Instrument, max_series: int) -> None:
        self._instrument = instrument
        self._kind = _Total if instrument.kind is Kind.COUNTER else _Distribution
        # Cells of series that no other process reads.
        self._unshared = [0.0] * (_SUM_CELLS + len(instrument.buckets) + 1)
        self._segment: Segment | None = None
        self._parents: dict[Values, _Total | _Distribution] = {}
        self.series: Series[_Total | _Distribution] = Series(instrument, max_series, self._make)
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

    def share(self, segment: Segment | None) -> None:
        """Copy all series that are not yet in this shared memory, and keep them there."""
        self._segment = segment
        for kept in self.series.all():
            if kept.segment is not segment:
                self._copy(kept)

    def exemplars(self) -> Iterable[tuple[bytes, list[_Sample]]]:
        """Yield the key and the samples of each series that has any."""
        for kept in self.series.all():
            if samples := kept.samples_by_bucket():
                yield self._key(kept), samples

    def after_fork(self) -> None:
        """Start without series, in constant time: the parent reports what it has counted."""
        self._segment = None
        self._parents = self.series.forget()
        self._find = self.series.find

    def resume(self) -> None:
        """Start the parent's counters at 0."""
        parents, self._parents = self._parents, {}
        for values in parents if self._kind is _Total else ():
            self.series.of(values)

    def _make(self, attributes: Attributes) -> _Total | _Distribution:
        resume()
        made = self._kind(attributes, self._instrument.buckets, self._unshared)
        self._copy(made)
        return made

    def _copy(self, kept: _Total | _Distribution) -> None:
        if (segment := self._segment) is not None:
            cells = segment.allocate(self._key(kept), self._cells(), kept.start_ns)
            if cells is not None:
                kept.segment = segment
                kept.copy_to(cells)

    def _key(self, kept: _Total | _Distribution) -> bytes:
        return series_key("own", self._instrument.name, kept.attributes)

    def _cells(self) -> int:
        return _SUM_CELLS if self._kind is _Total else len(self._unshared)


class Storage:
    """The counters and histograms of a process, whose readers add them to what the SDK has collected."""

    def __init__(self) -> None:
        self._recorders: list[StoredRecorder] = []
        in_forked_child(self._after_fork)

    def share(self, segment: Segment | None) -> None:
        """Keep a copy of all series in shared memory, where other processes read it.

        Parameters:
            segment: The memory; ``None`` for none. The same one again copies the series that found no room before.
        """
        for recorder in self._recorders:
            recorder.share(segment)

    def exemplars(self) -> Iterable[tuple[bytes, list[_Sample]]]:
        """Yield the key in shared memory and the samples of each series that has any."""
        for recorder in self._recorders:
            yield from recorder.exemplars()

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
        resume()
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

    def _after_fork(self) -> None:
        for recorder in self._recorders:
            recorder.after_fork()
        pause(self._resume)

    def _resume(self) -> None:
        for recorder in self._recorders:
            recorder.resume()


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
