"""The meters that the application and other instrumentations use."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from opentelemetry.metrics import (
    CallbackT,
    Counter,
    Histogram,
    Meter,
    NoOpMeter,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
    _Gauge,
)

from .._series import OVERFLOW
from ._callbacks import BoundedCallback
from ._described import Scope
from ._duplicates import Skip
from ._instruments import (
    Bounded,
    BoundedCounter,
    BoundedGauge,
    BoundedHistogram,
    BoundedUpDownCounter,
    Record,
)
from ._sets import AttributeSets

B = TypeVar("B", bound=Bounded)
Given = tuple[Any, Any, Any]


class Provider(Protocol):
    """The part of the meter provider that a meter needs."""

    def admit(self, scope: Scope, kind: str, given: Given, make: Any) -> Any:
        """Return an instrument; ``None`` if it is refused."""

    def refuse(self, _context: object) -> bool:
        """Count a measurement of an instrument that is refused."""

    def sdk_meter(self, scope: Scope) -> Meter:
        """Return the SDK's meter."""

    def observe(self, callbacks: Sequence[BoundedCallback], create: Callable[[], None]) -> None:
        """Call callbacks at each collection, and create the SDK's instrument that reads them."""


class BoundedMeter(Meter):
    """A meter whose instruments are bounded. The SDK creates its own meter once an instrument is admitted.

    Parameters:
        provider: The meter provider.
        scope: Name, version, schema URL and attributes.
    """

    def __init__(self, provider: Provider, scope: Scope) -> None:
        super().__init__(*scope[:3])
        self._provider = provider
        self._scope = scope

    def _recorded(self, kind: type[B], create: str, *given: Any, **further: Any) -> B:
        """Return an instrument that the application records in."""

        def make(described: Given, sets: AttributeSets, skip: Skip | None) -> B:
            def create_in_sdk() -> Record:
                instrument = getattr(self._provider.sdk_meter(self._scope), create)(*described, **further)
                record: Record = getattr(instrument, kind.method)
                return record

            return kind(create_in_sdk, sets.of, skip)

        admitted = self._provider.admit(self._scope, create, given, make)
        found: B = admitted if admitted is not None else kind(lambda: _nothing, _nothing, self._provider.refuse)
        return found

    def _observed(self, create: str, callbacks: Sequence[CallbackT] | None, *given: Any) -> Any:
        """Return an instrument that is observed at each collection. It has no methods."""

        def make(described: Given, sets: AttributeSets, skip: Skip | None) -> Any:
            name, unit, description = described
            # A negative counter is no valid exposition. The SDK checks only counters that are added to.
            least = 0 if create == "create_observable_counter" else -math.inf
            bounded = [BoundedCallback(callback, sets, least) for callback in callbacks or ()]

            def create_in_sdk() -> None:
                getattr(self._provider.sdk_meter(self._scope), create)(name, bounded, unit, description)

            if skip is None:
                self._provider.observe(bounded, create_in_sdk)
            return getattr(NoOpMeter(OVERFLOW), create)(name)

        admitted = self._provider.admit(self._scope, create, given, make)
        return admitted if admitted is not None else getattr(NoOpMeter(OVERFLOW), create)(OVERFLOW)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """See `Meter`."""
        return self._recorded(BoundedCounter, "create_counter", name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        """See `Meter`."""
        return self._recorded(BoundedUpDownCounter, "create_up_down_counter", name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        """See `Meter`."""
        advisory = {"explicit_bucket_boundaries_advisory": explicit_bucket_boundaries_advisory}
        return self._recorded(BoundedHistogram, "create_histogram", name, unit, description, **advisory)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> _Gauge:
        """See `Meter`."""
        return self._recorded(BoundedGauge, "create_gauge", name, unit, description)

    def create_observable_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableCounter:
        """See `Meter`."""
        observed: ObservableCounter = self._observed("create_observable_counter", callbacks, name, unit, description)
        return observed

    def create_observable_up_down_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableUpDownCounter:
        """See `Meter`."""
        create = "create_observable_up_down_counter"
        observed: ObservableUpDownCounter = self._observed(create, callbacks, name, unit, description)
        return observed

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> ObservableGauge:
        """See `Meter`."""
        observed: ObservableGauge = self._observed("create_observable_gauge", callbacks, name, unit, description)
        return observed


def _nothing(*_args: object) -> None:
    """Record nothing."""
