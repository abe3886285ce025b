"""Metrics as Prometheus shows them, since the test has begun."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from prometheus_client import Metric as PrometheusMetric
from prometheus_client.samples import Sample

from ..catalogue import CONTRACT

Key = tuple[str, tuple[tuple[str, str], ...]]
Labels = Mapping[str, object]

_CUMULATIVE = ("counter", "histogram", "summary")
_MOST_SHOWN = 12


class UnknownTelemetry(LookupError):
    """A test asks for something that there is not: a metric, a label, a value of a label, a span."""


class Value(float):
    """A number, which shows in a failed assertion what it is made of.

    Parameters:
        number: The number.
        series: The series that there are.
    """

    _series: str

    def __new__(cls, number: float, series: str) -> Self:
        """See the class."""
        made = super().__new__(cls, number)
        made._series = series
        return made

    def __repr__(self) -> str:
        return f"{float(self)!r} ({self._series})"


@dataclass(frozen=True, slots=True)
class Histogram:
    """The observations of the series asked for.

    Attributes:
        count: How many.
        sum: Of their values.
        buckets: How many up to each bound, by the bound; ``inf`` is all.
    """

    count: int
    sum: float
    buckets: dict[float, int]


class Reading:
    """The metrics at one time.

    Parameters:
        families: As the embedded endpoint has them.
        before: An earlier reading; counters and histograms are what has come since.

    Attributes:
        totals: Of counters and histograms, since they began.
    """

    def __init__(self, families: Iterable[PrometheusMetric], before: "Reading | None" = None) -> None:
        self.totals: dict[Key, float] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._types: dict[str, str] = {name: metric.type for name, (_, metric) in CONTRACT.items()}
        for family in families:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            self._types[name] = family.type
            for sample in family.samples:
                if family.type in _CUMULATIVE:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    self.totals[key] = sample.value
                    earlier = before.totals.get(key, 0) if before is not None else 0
                    sample = sample._replace(value=sample.value - earlier)  # noqa: PLW2901 - the same, since then
                self._samples.setdefault(sample.name, []).append(sample)

    def counter(self, name: str, labels: Labels) -> Value:
        """The sum over the series of a counter that have these labels."""
        self._check(name, "counter", labels)
        found = self._find(name, labels)
        shown = [sample for sample in self._samples.get(name, []) if sample.value]
        return Value(sum(sample.value for sample in found), _shown(name, shown))

    def gauge(self, name: str, labels: Labels) -> float | None:
        """The value of the one series of a gauge that has these labels; ``None`` without one."""
        self._check(name, "gauge", labels)
        found = self._find(name, labels)
        if len(found) > 1:
            raise UnknownTelemetry(f"{name} has several series with these labels: {_shown(name, found)}")
        return found[0].value if found else None

    def histogram(self, name: str, labels: Labels) -> Histogram:
        """All observations of the series of a histogram that have these labels."""
        self._check(name, "histogram", labels)
        buckets: dict[float, int] = {}
        for sample in self._find(f"{name}_bucket", labels):
            bound = float(sample.labels["le"])
            buckets[bound] = buckets.get(bound, 0) + int(sample.value)
        count, total = (
            sum(sample.value for sample in self._find(f"{name}{suffix}", labels)) for suffix in ("_count", "_sum")
        )
        return Histogram(int(count), total, buckets)

    def _find(self, name: str, labels: Labels) -> list[Sample]:
        wanted = {label: str(value) for label, value in labels.items()}
        return [sample for sample in self._samples.get(name, []) if wanted.items() <= sample.labels.items()]

    def _check(self, name: str, kind: str, labels: Labels) -> None:
        found = self._types.get(name)
        if found is None:
            like = get_close_matches(name, self._types, n=3) or sorted(self._types)
            raise UnknownTelemetry(f"there is no metric {name!r}; there are {', '.join(like)}")
        if found != kind:
            raise UnknownTelemetry(f"{name} is a {found}: telemetry.{found}({name!r}, …)")
        known = self._labels(name)
        for label, value in labels.items():
            if known is not None and label not in known:
                raise UnknownTelemetry(f"{name} has no label {label!r}; it has {', '.join(sorted(known)) or 'none'}")
            _check_value(name, label, str(value))

    def _labels(self, name: str) -> set[str] | None:
        """The labels that a metric has; ``None`` where nobody knows yet: of the application's own, without a series."""
        if name in CONTRACT:
            return set(CONTRACT[name][1].labels)
        samples = [*self._samples.get(name, []), *self._samples.get(f"{name}_bucket", [])]
        return {label for sample in samples for label in sample.labels} - {"le"} if samples else None


def _check_value(name: str, label: str, value: str) -> None:
    if name not in CONTRACT:
        return
    attribute = CONTRACT[name][0].attribute_of(label)
    renamed = dict(attribute.rename)
    allowed = {renamed.get(each, each) for each in (*attribute.values, attribute.absent, "other")}
    if attribute.values and value not in allowed:
        raise UnknownTelemetry(f"{name}: {label} is never {value!r}, but one of {', '.join(sorted(allowed))}")


def _shown(name: str, samples: list[Sample]) -> str:
    if not samples:
        return f"nothing was counted in {name}"
    lines = [f"{name}{{{_pairs(sample.labels)}}} {sample.value:g}" for sample in samples]
    more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return ", ".join([*lines[:_MOST_SHOWN], *more])


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{label}="{value}"' for label, value in labels.items())
