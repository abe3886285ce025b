"""The shape of a catalogue entry."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How an instrument is recorded. Gauges and up-down counters are observed at collection, never pushed."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    UP_DOWN_COUNTER = "up_down_counter"
    OBSERVABLE_COUNTER = "observable_counter"


class Across(Enum):
    """How the values of several processes add up to the fact they describe."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an instrument and the label that the contract gives it.

    Parameters:
        key: OpenTelemetry's attribute name.
        label: The contract's label; empty where the attribute is no label of the contract.
        absent: The label's value where the attribute is missing: a fixed word, never empty.
        values: The closed set of values, where there is one. Anything else is refused or becomes ``other``.
        limit: How many values there may be, where the set is open: any further one, or a long one, is ``other``.
        rename: Values that OpenTelemetry and the contract spell differently.
    """

    key: str
    label: str = ""
    absent: str = "unknown"
    values: tuple[str, ...] = ()
    limit: int = 0
    rename: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the contract, as Prometheus holds it.

    Parameters:
        name: The full name, ``_total`` and unit included.
        type: Prometheus' type: counter, gauge or histogram.
        labels: The contract's labels, out of those that the instrument's attributes have.
        of_count: Whether the value is a histogram's count rather than the histogram itself.
        unless: An attribute whose presence keeps a data point out of this metric.
    """

    name: str
    type: str
    labels: tuple[str, ...] = ()
    of_count: bool = False
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of the SDK and the metrics of the contract that come of it.

    Parameters:
        name: OpenTelemetry's instrument name.
        kind: How it is recorded.
        unit: UCUM unit, as OpenTelemetry writes it (``s``, ``By``, ``{request}``).
        description: One sentence; Prometheus' HELP.
        attributes: In the order in which recording code gives their values.
        metrics: What the contract makes of it.
        buckets: Upper bounds of a histogram, in the instrument's unit.
        across: How several processes' values add up.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[Attribute, ...]
    metrics: tuple[Metric, ...]
    buckets: tuple[float, ...] = ()
    across: Across = Across.SUM

    def attribute_of(self, label: str) -> Attribute:
        """The attribute that carries a label of the contract.

        Raises:
            KeyError: The instrument has no such label.
        """
        for attribute in self.attributes:
            if attribute.label == label:
                return attribute
        raise KeyError(f"{self.name} has no attribute for the label {label!r}")


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """A metric of the contract that a Prometheus recording rule makes."""

    name: str
    labels: tuple[str, ...]
    description: str


def one(
    name: str,
    kind: Kind,
    unit: str,
    description: str,
    metric: str,
    attributes: tuple[Attribute, ...] = (),
    buckets: tuple[float, ...] = (),
    across: Across | None = None,
) -> Instrument:
    """An instrument that is one metric of the contract, with a label for each labelled attribute."""
    prometheus_type = {
        Kind.COUNTER: "counter",
        Kind.OBSERVABLE_COUNTER: "counter",
        Kind.HISTOGRAM: "histogram",
        Kind.GAUGE: "gauge",
        Kind.UP_DOWN_COUNTER: "gauge",
    }[kind]
    labels = tuple(attribute.label for attribute in attributes if attribute.label)
    if across is None:
        across = Across.MAX if kind is Kind.GAUGE else Across.SUM
    return Instrument(
        name, kind, unit, description, attributes, (Metric(metric, prometheus_type, labels),), buckets, across
    )
