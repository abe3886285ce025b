"""What the application has in prometheus_client itself, to be shown beside the contract."""

from collections.abc import Iterator
from typing import Any

import prometheus_client
from prometheus_client import Metric as PrometheusMetric
from prometheus_client.gc_collector import GC_COLLECTOR
from prometheus_client.platform_collector import PLATFORM_COLLECTOR
from prometheus_client.process_collector import PROCESS_COLLECTOR

from .._guard import fault
from .._labels import printable
from ..catalogue import Across

# Those that importing prometheus_client has registered. The application's own of their classes are others.
_OF_THE_IMPORT = (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)
_SUMMED = (prometheus_client.Counter, prometheus_client.Histogram, prometheus_client.Summary)
_MODES = {"sum": Across.SUM, "max": Across.MAX, "min": Across.MIN}


class ApplicationFamily(PrometheusMetric):
    """A copy of a family of the application's: collectors may keep theirs.

    Parameters:
        family: As it was collected.
        across: How it adds up over several workers.
    """

    def __init__(self, family: PrometheusMetric, across: Across) -> None:
        super().__init__(family.name, family.documentation, family.type, family.unit)
        self.across = across
        self.samples = [
            sample._replace(labels={name: printable(value) for name, value in sample.labels.items()})
            for sample in family.samples
        ]


def application_families() -> Iterator[ApplicationFamily]:
    """What is in prometheus_client's default registry; a collector that fails does not take the others with it."""
    registry: Any = prometheus_client.REGISTRY
    with registry._lock:  # noqa: SLF001 - no public way leads to the collectors
        collectors = [*registry._collector_to_names]  # noqa: SLF001
    for collector in collectors:
        if collector in _OF_THE_IMPORT:
            continue
        try:
            found = [ApplicationFamily(family, _across(collector)) for family in collector.collect()]
        except Exception:  # noqa: BLE001 - the application's, and whatever it raises
            fault("prometheus.application")
        else:
            yield from found


def _across(collector: Any) -> Across:
    """What another collector gives may be a fact of all workers or of each: nobody knows."""
    if isinstance(collector, _SUMMED):
        return Across.SUM
    if isinstance(collector, prometheus_client.Gauge):
        mode: str = collector._multiprocess_mode  # noqa: SLF001 - what the application has said for this case
        return _MODES.get(mode.removeprefix("live"), Across.EACH)
    return Across.EACH
