"""Which traces are kept: slow, failed and chosen ones, whole, decided in this process when their local root ends."""

from ._requests import answered, keep, settled
from ._sampler import TailSampler, WhenExported
from ._tail import TailProcessor

__all__ = ["TailProcessor", "TailSampler", "WhenExported", "answered", "keep", "settled"]
