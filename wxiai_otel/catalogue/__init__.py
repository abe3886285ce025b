"""Every metric once, as data: how the SDK makes it and how Prometheus must hold it.

The SDK records by OpenTelemetry's names; the contract is what Prometheus holds. Two interpreters read the mapping
between them from here: the embedded endpoint in process, and the Collector's generated transform. Instruments are made
from `INSTRUMENTS` and from nowhere else.
"""

from ._business import BUSINESS
from ._model import Across, Attribute, Instrument, Kind, Metric, RuleMetric
from ._rules import RULE_METRICS
from ._self import SELF
from ._system import SYSTEM

INSTRUMENTS: tuple[Instrument, ...] = (*SYSTEM, *BUSINESS, *SELF)
BY_NAME: dict[str, Instrument] = {instrument.name: instrument for instrument in INSTRUMENTS}
CONTRACT: dict[str, tuple[Instrument, Metric]] = {
    metric.name: (instrument, metric) for instrument in INSTRUMENTS for metric in instrument.metrics
}

__all__ = [
    "BY_NAME",
    "CONTRACT",
    "INSTRUMENTS",
    "RULE_METRICS",
    "Across",
    "Attribute",
    "Instrument",
    "Kind",
    "Metric",
    "RuleMetric",
]
