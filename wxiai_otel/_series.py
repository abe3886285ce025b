"""The series of one instrument, by the values of its attributes, in bounded number.

Nothing in the SDK bounds the attribute sets of an instrument, so it is done here: beyond the bound, measurements go to
one overflow series whose labels are all ``other``, and are counted. So are those of which one
value is ``other`` because the attribute has as many as it may, or because it is too long.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._labels import printable
from ._redaction import redacted
from .catalogue import Instrument

Value = str | int | bool | None
Values = tuple[Value, ...]
Attributes = dict[str, Any]
K = TypeVar("K")
T = TypeVar("T")

OVERFLOW = "other"
MAX_VALUE_LENGTH = 128


class _Vocabulary:
    """The values of an attribute whose set is open: as many as may be, then ``other``."""

    __slots__ = ("_places", "_words")

    def __init__(self, limit: int) -> None:
        self._places = Places(limit)
        self._words: dict[Value, object] = {None: None, OVERFLOW: None}

    def known(self, word: Value) -> Value:
        if word in self._words:
            return word
        if not self._places or len(str(word)) > MAX_VALUE_LENGTH:
            return OVERFLOW
        if isinstance(word, str):
            word = redacted(word)
        return word if self._places.put(self._words, word, object()) is not None else OVERFLOW


class Places:
    """A bound on the entries of a dictionary to which destructors and signal handlers may add at any time."""

    __slots__ = ("_left",)

    def __init__(self, most: int) -> None:
        self._left = most

    def __bool__(self) -> bool:
        return self._left > 0

    def put(self, entries: dict[K, T], key: K, new: T) -> T | None:
        """Add an entry and return it. Return an existing entry instead, or ``None`` if the dictionary is full."""
        if not self.take():
            return entries.get(key)
        kept = entries.setdefault(key, new)
        if kept is not new:
            self.give_back()
        return kept

    def take(self) -> bool:
        """Take a place. Return whether one was left."""
        # Neither another thread nor a signal handler runs between these two statements.
        self._left -= 1
        if self._left >= 0:
            return True
        self._left += 1
        return False

    def give_back(self, places: int = 1) -> None:
        """Give places back."""
        self._left += places


class Series(Generic[T]):
    """The states of an instrument's series, bounded in number.

    Parameters:
        instrument: An instrument of the catalog.
        most: Maximum number of series besides the overflow series.
        make: Returns the state of a series for its attributes, which must not be changed.
    """

    __slots__ = ("_found", "_keys", "_make", "_overflow", "_places", "_vocabularies", "find", "refused")

    def __init__(self, instrument: Instrument, most: int, make: Callable[[Attributes], T]) -> None:
        self._keys = tuple(attribute.key for attribute in instrument.attributes)
        self._vocabularies: dict[int, _Vocabulary] = {
            position: _Vocabulary(attribute.limit)
            for position, attribute in enumerate(instrument.attributes)
            if attribute.limit
        }
        self._places = Places(most)
        self._make = make
        # At most one entry: the first of several threads creates it.
        self._overflow: dict[None, T] = {}
        self._found: dict[Values, T] = {}
        self.find = self._found.get
        self.refused = 0

    def of(self, values: Values) -> T:
        """Return the state of a series, the same one each time. `find` is faster if the series exists."""
        found = self.find(values)
        return found if found is not None else self._create(values)

    def all(self) -> list[T]:
        """Return the states of all series."""
        return [*self._found.copy().values(), *self._overflow.copy().values()]

    def forget(self) -> dict[Values, T]:
        """Start without series, in constant time. Return the previous ones, without the overflow series."""
        found, self._found, self._overflow = self._found, {}, {}
        self.find = self._found.get
        self._places.give_back(len(found))
        return found

    def _known(self, values: Values) -> Values:
        return tuple(
            value if position not in self._vocabularies else self._vocabularies[position].known(value)
            for position, value in enumerate(values)
        )

    def _create(self, values: Values) -> T:
        known = self._known(values) if self._vocabularies else values
        cut = any(value == OVERFLOW != was for value, was in zip(known, values, strict=True))
        self.refused += cut
        found = self.find(known)
        if found is None and self._places:
            pairs = zip(self._keys, known, strict=True)
            # OTLP drops an attribute that is no valid text, and the embedded endpoint would show it.
            attributes = {
                key: printable(value) if isinstance(value, str) else value for key, value in pairs if value is not None
            }
            # A destructor may create the same series during `make`: the first one is kept.
            found = self._places.put(self._found, known, self._make(attributes))
        if found is not None:
            return found
        self.refused += not cut
        return self._overflow.get(None) or self._overflow.setdefault(
            None, self._make(dict.fromkeys(self._keys, OVERFLOW))
        )
