"""Instruments made from the catalogue, each with a bounded number of series.

The SDK sets no limit to the attribute sets of an instrument, so one is set here: beyond it, measurements go to one
overflow series whose labels are all ``other``, and are counted.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ._guard import fault, faults
from ._labels import printable
from .catalogue import BY_NAME, INSTRUMENTS, Instrument, Kind

Value = str | int | bool | None
Values = tuple[Value, ...]
Observe = Callable[[], Iterable[tuple[Values, float]]]

OVERFLOW = "other"
MAX_VALUE_LENGTH = 128


class _Vocabulary:
    """The values of an attribute whose set is open: as many as may be, then ``other``."""

    __slots__ = ("_limit", "_words")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._words: set[Value] = {None, OVERFLOW}

    def known(self, word: Value) -> Value:
        if word in self._words:
            return word
        # Two more for the words that are none.
        if len(self._words) >= self._limit + 2 or len(str(word)) > MAX_VALUE_LENGTH:
            return OVERFLOW
        self._words.add(word)
        return word


class Series:
    """The attribute sets of one instrument, by the values of its attributes in the catalogue's order."""

    __slots__ = ("_attributes", "_keys", "_lock", "_max", "_overflow", "_vocabularies", "refused")

    def __init__(self, instrument: Instrument, max_series: int) -> None:
        self._keys = tuple(attribute.key for attribute in instrument.attributes)
        self._vocabularies: dict[int, _Vocabulary] = {
            position: _Vocabulary(attribute.limit)
            for position, attribute in enumerate(instrument.attributes)
            if attribute.limit
        }
        self._max = max_series
        self._lock = threading.Lock()
        self._attributes: dict[Values, dict[str, Any]] = {}
        self._overflow: dict[str, Any] = dict.fromkeys(self._keys, OVERFLOW)
        self.refused = 0

    def attributes(self, values: Values) -> dict[str, Any]:
        """The attributes of a series; the same dictionary each time, not to be changed."""
        found = self._attributes.get(values)
        return found if found is not None else self._create(values)

    def _create(self, values: Values) -> dict[str, Any]:
        with self._lock:
            if self._vocabularies:
                values = tuple(
                    value if position not in self._vocabularies else self._vocabularies[position].known(value)
                    for position, value in enumerate(values)
                )
            if values in self._attributes:
                return self._attributes[values]
            if len(self._attributes) >= self._max:
                self.refused += 1
                return self._overflow
            pairs = zip(self._keys, values, strict=True)
            # OTLP drops an attribute that is no valid text, and the embedded endpoint would show it.
            attributes = {
                key: printable(value) if isinstance(value, str) else value for key, value in pairs if value is not None
            }
            self._attributes[values] = attributes
            return attributes


class Recorder:
    """A counter or histogram of the catalogue."""

    __slots__ = ("_record", "series")

    def __init__(self, instrument: Instrument, meter: Meter, max_series: int) -> None:
        self.series = Series(instrument, max_series)
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
        """Add to the counter or record in the histogram.

        Parameters:
            value: The amount, in the instrument's unit.
            values: The values of the instrument's attributes in the catalogue's order; ``None`` leaves one out.
            context: The context that an exemplar is taken from; by default the current one.
        """
        self._record(value, self.series.attributes(values), context)


class Instruments:
    """The instruments of one meter provider. Recorders are made at once, observed instruments when they are observed.

    Parameters:
        meter: Makes the instruments.
        max_series: The bound on each instrument's attribute sets.
    """

    def __init__(self, meter: Meter, max_series: int) -> None:
        self._meter = meter
        self._max_series = max_series
        self._recorders = {
            instrument.name: Recorder(instrument, meter, max_series)
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
        series = Series(instrument, self._max_series)

        def callback(_options: CallbackOptions) -> Iterator[Observation]:
            try:
                for values, value in observe():
                    yield Observation(value, series.attributes(values))
            except Exception:  # noqa: BLE001 - the other instruments are still to be collected
                fault(f"observe.{name}")

        create = {
            Kind.GAUGE: self._meter.create_observable_gauge,
            Kind.UP_DOWN_COUNTER: self._meter.create_observable_up_down_counter,
            Kind.OBSERVABLE_COUNTER: self._meter.create_observable_counter,
        }[instrument.kind]
        create(instrument.name, [callback], instrument.unit, instrument.description)

    def _refused(self) -> Iterator[tuple[Values, float]]:
        for name, recorder in self._recorders.items():
            if recorder.series.refused:
                yield (name,), recorder.series.refused
