"""Instruments of the OpenTelemetry API whose measurements are bounded before the SDK stores them."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, ClassVar

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, CallbackT, Counter, Histogram, Observation, UpDownCounter, _Gauge
from opentelemetry.util.types import Attributes

from .._background import paused, paused_threads, resume
from .._guard import fault
from ._duplicates import Skip
from ._values import amount_of

Record = Callable[[Any, Any, Any], object]
SetOf = Callable[[Any], dict[str, Any] | None]


class Bounded:
    """The part that all instruments share that the application records in. It raises nothing into the application.

    Parameters:
        record: Records a measurement in the SDK.
        set_of: Returns the bounded attribute set of a measurement's attributes.
        skip: Decides which measurements are left out; ``None`` for none.
    """

    method: ClassVar[str]

    def __init__(self, record: Record, set_of: SetOf, skip: Skip | None) -> None:
        self._record = record
        self._set_of = set_of
        self._skip = skip

    def measure(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        """Record a measurement, as the instrument's method in the API."""
        try:
            if paused or paused_threads:  # the first measurement after a fork
                resume()
            if self._skip is None or not self._skip(context):
                self._record(amount_of(amount), self._set_of(attributes), context)
        except Exception:  # noqa: BLE001 - the application may measure anything
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


def bounded_callback(
    callback: CallbackT, set_of: SetOf, least: float
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return a callback whose observations are bounded.

    Parameters:
        callback: A function, or a generator that receives the options, as in `opentelemetry.metrics`.
        set_of: Returns the bounded attribute set of an observation's attributes.
        least: The least value that is allowed.
    """
    if isinstance(callback, Generator):
        next(callback)
        observe = callback.send
    else:
        observe = callback

    def observe_bounded(options: CallbackOptions) -> Iterator[Observation]:
        try:
            observations = observe(options)
        except StopIteration:  # the generator has ended
            return
        for one in observations:
            try:
                value = amount_of(one.value)
                if value < least:
                    raise ValueError(f"a callback must observe values of at least {least}, not {value}")  # noqa: TRY301
                yield Observation(value, set_of(one.attributes), one.context)
            except Exception:  # noqa: BLE001 - the other observations are still to be collected
                fault("foreign.observe")

    return observe_bounded
