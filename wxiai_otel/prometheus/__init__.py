"""The embedded endpoint's exposition: the contract in Prometheus' text format and in OpenMetrics."""

from ._reader import EmbeddedReader

__all__ = ["EmbeddedReader"]
