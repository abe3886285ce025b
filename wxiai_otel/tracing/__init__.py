"""Which traces are kept: slow, failed and chosen ones, whole, decided in this process when their local root ends."""

from ._requests import answered, keep, settled
from ._sampler import TailSampler, WhenExported, spans_received
from ._tail import TailProcessor
from ._unrecorded import unrecorded_span

__all__ = [
    "TailProcessor",
    "TailSampler",
    "WhenExported",
    "answered",
    "keep",
    "settled",
    "spans_received",
    "unrecorded_span",
]
