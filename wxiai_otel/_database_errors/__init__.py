"""Reduction of database errors to class and code, because a driver's message may hold any value."""

from ._classes import inline, is_exception, is_reduced
from ._exceptions import event_of, holds_reports, reduced, reduction, stacktrace_of, text_of
from ._texts import Reduction, may_report

__all__ = [
    "Reduction",
    "event_of",
    "holds_reports",
    "inline",
    "is_exception",
    "is_reduced",
    "may_report",
    "reduced",
    "reduction",
    "stacktrace_of",
    "text_of",
]
