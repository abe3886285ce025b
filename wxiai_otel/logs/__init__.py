"""Records of `logging`: the ids of their traces, a formatter that shows these, and the way out by OTLP."""

from ._correlation import LogCorrelation
from ._formatter import LogFormatter

__all__ = ["LogCorrelation", "LogFormatter"]
