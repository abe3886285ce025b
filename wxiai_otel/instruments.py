"""Instruments made from the catalogue, each with a bounded number of series."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ._background import resume
from ._collection import sdk_storage
from ._guard import fault, faults
from ._series import Attributes, Series, Values
from ._storage import Storage
from .catalogue import BY_NAME, INSTRUMENTS, Instrument, Kind

__all__ = ["Instruments", "Observe", "Recorder", "Values"]

Observe = Callable[[], Iterable[tuple[Values, float]]]


class Recorder(Protocol):
    """A counter or histogram of the catalogue."""

    series: Series[Any]

    def record(self, value: float, values: Values = (), context: Context | None = None) -> None:
        """Add to the counter or record in the histogram.

        Parameters:
            value: The amount, in the instrument's unit.
            values: The values of the instrument's attributes in the catalogue's order; ``None`` leaves one out.
            context: The context that an exemplar is taken from; by default the current one.
        """


class _SdkRecorder:
    """A recorder in the SDK's own storage, which has locks: see `sdk_storage`."""

    __slots__ = ("_record", "series")

    def __init__(self, instrument: Instrument, meter: Meter, max_series: int) -> None:
        self.series: Series[Attributes] = Series(instrument, max_series, dict)
        if instrument.kind is Kind.COUNTER:
            counter = meter.create_counter(instrument.name, instrument.unit, instrument.description)
            self._record: Callable[..., None] = counter.add
        else:
            histogram = meter.create_histogram(
                instrument.name,
                instrument.unit,
                instrument.description,
                explicit_bucket_boundaries_advisory=instrument.buckets,
            )
            self._record = histogram.record

    def record(self, value: float, values: Values = (), context: Context | None = None) -> None:
        """See `Recorder.record`."""
        resume()
        if context is None:
            context = get_current()  # of the caller: another thread may record the value
        sdk_storage.run(self._record, value, self.series.of(values), context)


class Instruments:
    """The instruments of one meter provider. Recorders are made at once, observed instruments when they are observed.

    Parameters:
        meter: Makes the instruments.
        max_series: The bound on each instrument's attribute sets.
        storage: Where counters and histograms are recorded; ``None``: in the SDK's own storage.
        foreign_refused: Observes the measurements beyond a limit of instruments that are not ours.
    """

    def __init__(
        self, meter: Meter, max_series: int, storage: Storage | None = None, foreign_refused: Observe = tuple
    ) -> None:
        self._meter = meter
        self._max_series = max_series
        self._foreign_refused = foreign_refused
        self._observed: list[list[Observe]] = []
        self._recorders: dict[str, Recorder] = {
            instrument.name: storage.recorder(instrument, max_series)
            if storage is not None
            else _SdkRecorder(instrument, meter, max_series)
            for instrument in INSTRUMENTS
            if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM)
        }
        self.observe("wxiai_otel.faults", lambda: (((site,), count) for site, count in faults().items()))
        self.observe("wxiai_otel.series.refused", self._refused)

    def __getitem__(self, name: str) -> Recorder:
        return self._recorders[name]

    def observe(self, name: str, observe: Observe) -> None:
        """Have an instrument of the catalogue observed at each collection.

        Parameters:
            name: The instrument's name.
            observe: Gives the attribute values, in the catalogue's order, and the value of each series.
        """
        instrument = BY_NAME[name]
        series: Series[Attributes] = Series(instrument, self._max_series, dict)
        # A list that `end` empties: a meter keeps its callbacks forever, and a module may keep the meter.
        observes = [observe]
        self._observed.append(observes)

        def callback(_options: CallbackOptions) -> Iterator[Observation]:
            try:
                for one in observes:
                    for values, value in one():
                        yield Observation(value, series.of(values))
            except Exception:  # noqa: BLE001 - the other instruments are still to be collected
                fault(f"observe.{name}")

        create = {
            Kind.GAUGE: self._meter.create_observable_gauge,
            Kind.UP_DOWN_COUNTER: self._meter.create_observable_up_down_counter,
            Kind.OBSERVABLE_COUNTER: self._meter.create_observable_counter,
        }[instrument.kind]
        create(instrument.name, [callback], instrument.unit, instrument.description)

    def end(self) -> None:
        """Stop observing."""
        for observes in self._observed:
            observes.clear()

    def _refused(self) -> Iterator[tuple[Values, float]]:
        for name, recorder in self._recorders.items():
            if recorder.series.refused:
                yield (name,), recorder.series.refused
        yield from self._foreign_refused()
