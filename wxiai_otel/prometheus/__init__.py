"""The embedded endpoint's exposition: the contract in Prometheus' text format and in OpenMetrics."""

from ._application import application_families
from ._collector import CONTRACT_FAMILIES
from ._reader import EmbeddedReader

__all__ = ["CONTRACT_FAMILIES", "EmbeddedReader", "application_families"]
