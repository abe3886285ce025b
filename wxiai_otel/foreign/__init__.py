"""Bounded instruments for meters that are not ours: those of the application and of other instrumentations.

The OpenTelemetry SDK for Python has no cardinality limit, and its views do not help: a view that drops an instrument
still keeps an entry for each attribute set. The bounds are therefore applied before the SDK, in the public API.

https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
"""

from ._provider import MAX_INSTRUMENTS, BoundedMeterProvider
from ._sets import MAX_SETS

__all__ = ["MAX_INSTRUMENTS", "MAX_SETS", "BoundedMeterProvider"]
