"""Which traces are kept: slow, failed and chosen ones, whole, decided in this process when their local root ends."""

from ._deferred import DeferredSpan, DeferredSpans, Start, ToldOfEnds, may_be_late
from ._exceptions import record_exception
from ._outgoing import MAX_EVENT_ATTRIBUTE, Outgoing
from ._requests import answered, keep, settled
from ._sampler import TailSampler, WhenExported, spans_received
from ._tail import TailProcessor
from ._unrecorded import UnrecordedSpan

__all__ = [
    "MAX_EVENT_ATTRIBUTE",
    "DeferredSpan",
    "DeferredSpans",
    "Outgoing",
    "Start",
    "TailProcessor",
    "TailSampler",
    "ToldOfEnds",
    "UnrecordedSpan",
    "WhenExported",
    "answered",
    "keep",
    "may_be_late",
    "record_exception",
    "settled",
    "spans_received",
]
