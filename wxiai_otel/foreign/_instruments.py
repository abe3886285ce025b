"""Instruments of the OpenTelemetry API whose measurements are bounded before the SDK stores them.

The SDK holds locks while it creates an instrument, stores a measurement or collects. A destructor, a signal handler or
a callback may interrupt it there and measure too. Creation and storage are therefore changes of `sdk_storage`.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import Counter, Histogram, UpDownCounter, _Gauge
from opentelemetry.util.types import Attributes

from .._background import resume
from .._collection import sdk_storage
from .._guard import fault
from ._duplicates import Skip
from ._values import amount_of

Record = Callable[[Any, Any, Any], object]
SetOf = Callable[[Any], dict[str, Any] | None]


class Bounded:
    """The part that all instruments share that the application records in. It raises nothing into the application.

    Parameters:
        create: Creates the SDK's instrument and returns its method that records; called with the first measurement.
        set_of: Returns the bounded attribute set of a measurement's attributes.
        skip: Decides which measurements are left out; ``None`` for none.
    """

    method: ClassVar[str]

    def __init__(self, create: Callable[[], Record], set_of: SetOf, skip: Skip | None) -> None:
        self._create = create
        self._record: Record | None = None
        self._set_of = set_of
        self._skip = skip

    def measure(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        """Record a measurement, as the instrument's method in the API."""
        try:
            resume()
            if self._skip is None or not self._skip(context):
                # Of the caller: another thread may store the measurement.
                current = get_current() if context is None else context
                sdk_storage.run(self._store, amount_of(amount), self._set_of(attributes), current)
        except Exception:  # noqa: BLE001 - the application may measure anything
            fault("foreign.record")

    def _store(self, amount: float, attributes: dict[str, Any] | None, context: Context) -> None:
        try:
            if self._record is None:
                self._record = self._create()
            self._record(amount, attributes, context)
        except Exception:  # noqa: BLE001 - a change of `sdk_storage` must not raise
            fault("foreign.record")


class BoundedCounter(Bounded, Counter):
    """A bounded counter."""

    method = "add"
    add = Bounded.measure


class BoundedUpDownCounter(Bounded, UpDownCounter):
    """A bounded up-down counter."""

    method = "add"
    add = Bounded.measure


class BoundedHistogram(Bounded, Histogram):
    """A bounded histogram."""

    method = "record"
    record = Bounded.measure


class BoundedGauge(Bounded, _Gauge):
    """A bounded gauge."""

    method = "set"
    set = Bounded.measure
