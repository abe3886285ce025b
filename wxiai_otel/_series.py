"""The series of one instrument, by the values of its attributes, in bounded number.

Nothing in the SDK bounds the attribute sets of an instrument, so it is done here: beyond the bound, measurements go to
one overflow series whose labels are all ``other``, and are counted. So are those of which one
value is ``other`` because the attribute has as many as it may, or because it is too long.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._labels import printable
from ._redaction import redacted
from .catalogue import Instrument

Value = str | int | bool | None
Values = tuple[Value, ...]
Attributes = dict[str, Any]
T = TypeVar("T")

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
        if isinstance(word, str):
            word = redacted(word)
        self._words.add(word)
        return word


class Series(Generic[T]):
    """What is kept for each series of an instrument.

    Parameters:
        instrument: Of the catalogue.
        most: How many series there may be beside the overflow series.
        make: Makes what is kept, of the series' attributes. They are not to be changed.
    """

    __slots__ = ("_found", "_keys", "_lock", "_make", "_most", "_overflow", "_vocabularies", "find", "refused")

    def __init__(self, instrument: Instrument, most: int, make: Callable[[Attributes], T]) -> None:
        self._keys = tuple(attribute.key for attribute in instrument.attributes)
        self._vocabularies: dict[int, _Vocabulary] = {
            position: _Vocabulary(attribute.limit)
            for position, attribute in enumerate(instrument.attributes)
            if attribute.limit
        }
        self._most = most
        self._make = make
        self._overflow: T | None = None
        self._found: dict[Values, T] = {}
        self.find = self._found.get
        self.refused = 0
        self.renew_lock()

    def renew_lock(self) -> None:
        """In a forked child: another thread of the parent's may have held the lock."""
        self._lock = threading.Lock()

    def of(self, values: Values) -> T:
        """What is kept for a series; the same each time. Where it is known, `find` does as well and is faster."""
        found = self.find(values)
        return found if found is not None else self._create(values)

    def all(self) -> list[T]:
        """What is kept for each of the series that there are."""
        with self._lock:
            return [*self._found.values()] if self._overflow is None else [*self._found.values(), self._overflow]

    def _known(self, values: Values) -> Values:
        return tuple(
            value if position not in self._vocabularies else self._vocabularies[position].known(value)
            for position, value in enumerate(values)
        )

    def _create(self, values: Values) -> T:
        with self._lock:
            known = self._known(values) if self._vocabularies else values
            cut = any(value == OVERFLOW != was for value, was in zip(known, values, strict=True))
            self.refused += cut
            values = known
            if values in self._found:
                return self._found[values]
            if len(self._found) >= self._most:
                self.refused += not cut
                if self._overflow is None:
                    self._overflow = self._make(dict.fromkeys(self._keys, OVERFLOW))
                return self._overflow
            pairs = zip(self._keys, values, strict=True)
            # OTLP drops an attribute that is no valid text, and the embedded endpoint would show it.
            made = self._make(
                {
                    key: printable(value) if isinstance(value, str) else value
                    for key, value in pairs
                    if value is not None
                }
            )
            self._found[values] = made
            return made
