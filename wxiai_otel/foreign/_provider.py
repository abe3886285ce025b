"""The meter provider from which the application and other instrumentations get their meters."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.util.types import Attributes

from .._collection import collects_alone, sdk_storage
from .._guard import fault, guarded
from .._reentry import may_log
from .._series import OVERFLOW, Places, Values
from ..settings import Settings
from ._callbacks import BoundedCallback, observe_all
from ._described import Scope, described, scope_of
from ._duplicates import Duplicates, Skip
from ._meter import BoundedMeter
from ._sets import MAX_SETS, AttributeSets

logger = logging.getLogger("wxiai_otel")

MAX_INSTRUMENTS = 1_000
# Of all instruments together: a histogram writes 18 lines for each.
MAX_ALL_SETS = 10 * MAX_SETS

Make = Callable[[tuple[str, str, str], AttributeSets, Skip | None], Any]


class BoundedMeterProvider(MeterProvider):
    """The SDK's meter provider, with limits on all instruments but ours.

    Parameters:
        readers: The metric readers.
        resource: The resource of this process.
        settings: Which libraries the SDK measures itself, and the setting max_series.
    """

    def __init__(self, readers: Sequence[MetricReader], resource: Resource, settings: Settings) -> None:
        self._duplicates = Duplicates(settings)
        self._most_sets = min(settings.max_series, MAX_SETS)
        self._all_sets = Places(MAX_ALL_SETS)
        self._instruments: dict[tuple[object, ...], tuple[Any, AttributeSets]] = {}
        self._places = Places(MAX_INSTRUMENTS)
        self._callbacks: list[BoundedCallback] = []
        self._unrecorded = 0
        self._logged = False
        super().__init__(readers, resource=resource, shutdown_on_exit=False)
        for reader in readers:
            collects_alone(reader, self._observe_all)

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """Add a reader, as the SDK does."""
        super().add_metric_reader(metric_reader)  # type: ignore[misc, unused-ignore] # newer than the oldest SDK
        collects_alone(metric_reader, self._observe_all)

    def get_meter(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Attributes = None
    ) -> Meter:
        """Return a meter whose instruments are bounded."""
        try:
            return BoundedMeter(self, scope_of(name, version, schema_url, attributes))
        except Exception:  # noqa: BLE001 - the application may pass anything
            fault("foreign.meter")
            return NoOpMeter(OVERFLOW)

    def own_meter(self, name: str, version: str) -> Meter:
        """Return a meter of the SDK, for the instruments of the catalog, which have limits of their own."""
        return super().get_meter(name, version)

    def sdk_meter(self, scope: Scope) -> Meter:
        """Return the SDK's meter. It has locks: see `sdk_storage`."""
        return super().get_meter(*scope)

    def observe(self, callbacks: Sequence[BoundedCallback], create: Callable[[], None]) -> None:
        """Call callbacks at each collection.

        Parameters:
            callbacks: The callbacks of an instrument.
            create: Creates the SDK's instrument, which reads their observations.
        """
        self._callbacks.extend(callbacks)
        sdk_storage.run(guarded("foreign.instrument")(create))

    def _observe_all(self) -> None:
        observe_all(self._callbacks.copy())

    def admit(self, scope: tuple[Any, ...], kind: str, given: tuple[Any, Any, Any], make: Make) -> Any:
        """Return an instrument, the same one each time; ``None`` if it is refused.

        Parameters:
            scope: Name, version, schema URL and attributes of its meter.
            kind: The kind of instrument.
            given: Name, unit and description, as the caller gives them.
            make: Creates the instrument.
        """
        try:
            text = described(*given)
            if text is not None:
                key = (*scope[:3], repr(scope[3]), kind, text[0].lower(), *text[1:])
                found = self._instruments.get(key)
                if found is None and self._places:
                    sets = AttributeSets(text[0], self._most_sets, self._all_sets)
                    skip = self._duplicates.skip(scope[0], text[0])
                    new = make(text, sets, skip), sets
                    found = self._places.put(self._instruments, key, new)
                if found is not None:
                    return found[0]
        except Exception:  # noqa: BLE001 - the application may pass anything
            fault("foreign.instrument")
        self._log_refused(given[0])
        return None

    def refuse(self, _context: object) -> bool:
        """Count a measurement of an instrument that is refused. Return ``True``: it is not recorded."""
        self._unrecorded += 1
        return True

    def observe_refused(self) -> Iterator[tuple[Values, float]]:
        """Return the number of measurements beyond a limit, by the name of the instrument."""
        for _, sets in self._instruments.copy().values():
            if sets.refused:
                yield (sets.instrument,), sets.refused
        if self._unrecorded:
            yield (OVERFLOW,), self._unrecorded

    def _log_refused(self, name: object) -> None:
        if not self._logged and may_log():
            self._logged = True
            logger.warning(
                "The instrument %.300r is not recorded: its name must be 1 to 255 ASCII characters as OpenTelemetry "
                "allows them, and a process may have %s instruments. Measurements of such instruments count in "
                "wxiai_otel_series_refused_total as %r.",
                name,
                f"{MAX_INSTRUMENTS:,}",
                OVERFLOW,
            )
