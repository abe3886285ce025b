"""The embedded endpoint's exposition: the contract in Prometheus' text format and in OpenMetrics."""

from ._reader import EmbeddedReader
from ._transform import Family

__all__ = ["EmbeddedReader", "Family"]
