"""Adding up what the workers of one server have, as one process would have it.

Counters and histograms of all workers are summed, those that have ended included. Gauges are of live workers, each as
the catalogue says: summed, the largest, the smallest, or a series for each. What the application has in
prometheus_client says it by itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Metric as PrometheusMetric
from prometheus_client.samples import Exemplar, Sample

from ..catalogue import CONTRACT, Across
from ._application import ApplicationFamily

# A worker's families as JSON has them: (name, type, help, how it adds up, [(sample, labels, value, exemplar), ...]).
Snapshot = list[Any]

_CREATED = "_created"
_CUMULATIVE = ("counter", "histogram", "summary")
_INSTANCE = "instance"

Key = tuple[str, tuple[tuple[str, str], ...]]


def snapshot(families: Iterable[PrometheusMetric]) -> Snapshot:
    """Families in a form that JSON can hold."""
    return [
        (
            family.name,
            family.type,
            family.documentation,
            _across(family),
            [(sample.name, sample.labels, sample.value, _exemplar(sample.exemplar)) for sample in family.samples],
        )
        for family in families
    ]


def cumulative(families: Snapshot) -> Snapshot:
    """What of a snapshot outlives its worker."""
    return [family for family in families if family[1] in _CUMULATIVE and family[3] != Across.EACH.value]


def merged(workers: Sequence[tuple[str, Snapshot]], ended: Snapshot | None = None) -> list[PrometheusMetric]:
    """One family of each name.

    Parameters:
        workers: Of each live worker its service.instance.id and its snapshot.
        ended: What those have counted that have ended.
    """
    found: dict[str, _Merging] = {}
    for instance, families in (("", ended or []), *workers):
        for name, kind, documentation, across, samples in families:
            merging = found.get(name)
            if merging is None:
                merging = found[name] = _Merging(name, kind, documentation, Across(across))
            if merging.kind == kind:
                merging.add(instance, samples)
    return [merging.family() for merging in found.values()]


class _Merging:
    """A family while it is added up."""

    def __init__(self, name: str, kind: str, documentation: str, across: Across) -> None:
        self.name = name
        self.kind = kind
        self._documentation = documentation
        self._across = across
        self._values: dict[Key, float] = {}
        self._exemplars: dict[Key, Any] = {}

    def add(self, instance: str, samples: Sequence[Any]) -> None:
        """Add the samples of one worker."""
        for sample_name, given, value, exemplar in samples:
            labels = _with_instance(given, instance) if self._across is Across.EACH else given
            key = (sample_name, tuple(labels.items()))
            before = self._values.get(key)
            self._values[key] = value if before is None else self._combined(sample_name, before, value)
            if exemplar is not None and (key not in self._exemplars or _newer(exemplar, self._exemplars[key])):
                self._exemplars[key] = exemplar

    def _combined(self, sample_name: str, one: float, other: float) -> float:
        is_birth = self.kind in _CUMULATIVE and sample_name.endswith(_CREATED)
        if is_birth or self._across is Across.MIN:
            return min(one, other)
        return max(one, other) if self._across is Across.MAX else one + other

    def family(self) -> PrometheusMetric:
        """What it has come to."""
        family = PrometheusMetric(self.name, self._documentation, self.kind)
        family.samples = [
            Sample(name, dict(labels), value, None, _read_exemplar(self._exemplars.get((name, labels))))
            for (name, labels), value in self._values.items()
        ]
        # Histograms are exposed series by series, and so are they kept where every worker has the same ones.
        if self.kind == "histogram":
            family.samples.sort(key=lambda sample: [*_series(sample)])
        return family


def _across(family: PrometheusMetric) -> str:
    """How a family adds up; of gauges of the application's own meters nothing is known, and each has its own."""
    if isinstance(family, ApplicationFamily):
        return family.across.value
    if family.type in _CUMULATIVE:
        return Across.SUM.value
    entry = CONTRACT.get(family.name)
    return (entry[0].across if entry is not None else Across.EACH).value


def _with_instance(labels: dict[str, str], instance: str) -> dict[str, str]:
    """Labels with the worker's instance; one that the application has is renamed, as Prometheus does it."""
    if _INSTANCE not in labels:
        return {**labels, _INSTANCE: instance}
    return {**labels, f"exported_{_INSTANCE}": labels[_INSTANCE], _INSTANCE: instance}


def _series(sample: Sample) -> Iterable[Any]:
    labels = sorted((name, value) for name, value in sample.labels.items() if name != "le")
    order = ("_bucket", "_count", "_sum", _CREATED)
    position = next((place for place, suffix in enumerate(order) if sample.name.endswith(suffix)), len(order))
    yield labels
    yield position
    yield float(sample.labels.get("le", "inf"))


def _exemplar(exemplar: Exemplar | None) -> Any:
    return None if exemplar is None else (exemplar.labels, exemplar.value, exemplar.timestamp)


def _read_exemplar(exemplar: Any) -> Exemplar | None:
    return None if exemplar is None else Exemplar(*exemplar)


def _newer(one: Any, other: Any) -> bool:
    return (one[2] or 0) > (other[2] or 0)
