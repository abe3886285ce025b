"""The Prometheus exporter's collector, extended by the contract, exemplars and creation times."""

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from opentelemetry.exporter.prometheus import _CustomCollector
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.trace import format_span_id, format_trace_id
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.samples import Exemplar

from .._guard import fault
from ..catalogue import CONTRACT
from ._foreign import by_family, combined
from ._transform import Distribution, Family, families, split

logger = logging.getLogger("wxiai_otel")

_NANOSECONDS = 1e9


class ContractCollector(_CustomCollector):
    """One scrape: the contract's families by the catalogue, the application's own meters as upstream has them.

    Parameters:
        data: What the SDK has collected for this scrape.
    """

    def __init__(self, data: MetricsData) -> None:
        super().__init__(disable_target_info=True, scope_info_enabled=False)
        self._data = data

    def collect(self) -> Iterator[PrometheusMetric]:
        """Give each family; one that cannot be made does not take the others with it."""
        ours, others = split(self._data)
        for metric in ours:
            try:
                yield from [self._contract_family(family) for family in families(metric)]
            except Exception:  # noqa: BLE001 - the other metrics are still to be shown
                fault("prometheus.family")
        yield from self._foreign(others)

    def _foreign(self, metrics: list[SdkMetric]) -> Iterator[PrometheusMetric]:
        found: list[PrometheusMetric] = []
        for same in by_family(metrics):
            try:
                family: dict[str, PrometheusMetric] = {}
                self._translate_metric(combined(same), {}, {}, family)
                found += family.values()
            except Exception:  # noqa: BLE001 - the other metrics are still to be shown
                fault("prometheus.foreign")
        for family_shown in untaken(found, ()):
            for sample in family_shown.samples:
                for name in [name for name, value in sample.labels.items() if not value]:
                    del sample.labels[name]
            yield family_shown

    def _contract_family(self, family: Family) -> PrometheusMetric:
        metric = family.metric
        if metric.type == "histogram":
            return self._histogram(family)
        if metric.type == "gauge":
            gauge = GaugeMetricFamily(metric.name, family.description, labels=metric.labels)
            for labels, number in family.series.items():
                gauge.add_metric(labels, number.value)
            return gauge
        counter = CounterMetricFamily(metric.name, family.description, labels=metric.labels)
        for labels, number in family.series.items():
            counter.add_metric(labels, number.value, created=self._created(number.start_ns))
        return counter

    def _histogram(self, family: Family) -> PrometheusMetric:
        name = family.metric.name
        histogram = HistogramMetricFamily(name, family.description, labels=family.metric.labels)
        upper_bounds = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
        for labels, distribution in family.series.items():
            exemplars = self._exemplars(distribution, family.bounds)
            buckets: list[Any] = []
            total = 0
            for index, count in enumerate(distribution.bucket_counts):
                total += count
                buckets.append((upper_bounds[index], total, exemplars.get(index)))
            histogram.add_metric(labels, buckets, distribution.sum)
            created = self._created(distribution.start_ns)
            if created is not None:
                histogram.add_sample(f"{name}_created", dict(zip(family.metric.labels, labels, strict=True)), created)
        return histogram

    def _created(self, start_ns: int | None) -> float | None:
        return start_ns / _NANOSECONDS if start_ns else None

    def _exemplars(self, distribution: Distribution, bounds: Sequence[float]) -> dict[int, Exemplar]:
        """The newest exemplar of each bucket that has one."""
        found: dict[int, Any] = {}
        for exemplar in distribution.exemplars:
            if exemplar.trace_id and exemplar.span_id:
                index = bisect_left(bounds, exemplar.value)
                if index not in found or found[index].time_unix_nano < exemplar.time_unix_nano:
                    found[index] = exemplar
        return {
            index: Exemplar(
                {"trace_id": format_trace_id(exemplar.trace_id), "span_id": format_span_id(exemplar.span_id)},
                exemplar.value,
                exemplar.time_unix_nano / _NANOSECONDS,
            )
            for index, exemplar in found.items()
        }


# A family's name, and with it all names that its samples have.
CONTRACT_FAMILIES = {name for metric in CONTRACT for name in (metric, metric.removesuffix("_total"))}

_warned: set[str] = set()


def untaken(families: Iterable[PrometheusMetric], shown: Iterable[PrometheusMetric]) -> Iterator[PrometheusMetric]:
    """Those families whose names neither the contract has nor another one.

    Parameters:
        families: The application's.
        shown: What is shown already.
    """
    taken = CONTRACT_FAMILIES | {family.name for family in shown}
    for family in families:
        if family.name not in taken:
            taken.add(family.name)
            yield family
        elif family.name not in _warned:
            _warned.add(family.name)
            logger.warning("the metric %s is left out: the contract or another metric has that name", family.name)
