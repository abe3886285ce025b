"""Gauges of live workers, combined as the catalog states: sum, maximum, minimum, or a series for each worker."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from prometheus_client import Metric as PrometheusMetric
from prometheus_client.samples import Sample

from ..catalogue import CONTRACT, Across
from ._application import ApplicationFamily

_INSTANCE = "instance"

# Families as JSON has them: [name, type, help, how workers combine, [[sample, labels, value], ...]].
Snapshot = list[Any]

Families = dict[str, tuple[PrometheusMetric, dict[Any, Sample]]]


def snapshot(families: Iterable[PrometheusMetric]) -> Snapshot:
    """Return families in a form that JSON can hold."""
    return [
        [
            family.name,
            family.type,
            family.documentation,
            _across(family).value,
            [[sample.name, sample.labels, sample.value] for sample in family.samples],
        ]
        for family in families
    ]


def add(found: Families, instance: object, families: Any) -> None:
    """Add the families of one worker.

    Parameters:
        found: The families of the workers before.
        instance: The service.instance.id of the worker.
        families: Its snapshot, or anything else, e.g. from a damaged file: what is no snapshot is left out.
    """
    with suppress(TypeError, ValueError, KeyError, AttributeError):
        for name, kind, documentation, across, samples in families:
            family, values = found.setdefault(name, (PrometheusMetric(name, documentation, kind), {}))
            for sample_name, given, value in samples if family.type == kind else ():
                labels = _with_instance(given, str(instance)) if across == Across.EACH.value else given
                key = (sample_name, *labels.items())
                before = values.get(key)
                new = float(value) if before is None else _COMBINE[across](before.value, value)
                values[key] = Sample(sample_name, labels, new)


def combined(found: Families) -> list[PrometheusMetric]:
    """Return one family of each name."""
    for family, values in found.values():
        family.samples = [*values.values()]
    return [family for family, _ in found.values()]


_COMBINE: dict[str, Callable[[float, float], float]] = {
    Across.SUM.value: lambda one, other: one + other,
    Across.EACH.value: lambda one, other: one + other,
    Across.MAX.value: max,
    Across.MIN.value: min,
}


def _across(family: PrometheusMetric) -> Across:
    """Return how a family combines. Nothing is known of the application's own meters: each worker has its own."""
    if isinstance(family, ApplicationFamily):
        return family.across
    entry = CONTRACT.get(family.name)
    return entry[0].across if entry is not None else Across.EACH


def _with_instance(labels: dict[str, str], instance: str) -> dict[str, str]:
    """Add the worker's instance. A label of that name is renamed, as Prometheus does."""
    if _INSTANCE not in labels:
        return {**labels, _INSTANCE: instance}
    return {**labels, f"exported_{_INSTANCE}": labels[_INSTANCE], _INSTANCE: instance}
