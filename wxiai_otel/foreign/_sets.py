"""The attribute sets of one foreign instrument, bounded in number."""

import logging
from collections.abc import Mapping
from typing import Any

from .._guard import fault
from .._reentry import may_log
from .._series import MAX_VALUE_LENGTH, Places
from ._values import bounded_text, bounded_value, identity

logger = logging.getLogger("wxiai_otel")

MAX_SETS = 1_000
# A Prometheus exporter writes the keys of all sets of an instrument with each of them.
MAX_KEYS = 32

_KEYS = f"more than {MAX_KEYS} attribute keys, or a key that is not 1 to {MAX_VALUE_LENGTH} characters long"
_SETS = f"more than max_series or {MAX_SETS:,} attribute sets, or the limit of all instruments together"
_VALUE = f"a value that is longer than {MAX_VALUE_LENGTH} characters, too large, or nested"

_OVERFLOW = {"otel.metric.overflow": True}


class AttributeSets:
    """Maps the attributes of each measurement to attributes that are bounded.

    Measurements beyond a limit keep their value: they go to the overflow series of the OpenTelemetry specification,
    or, if only a value is too long, to the series with the value cut. Both are counted.

    Parameters:
        instrument: The instrument's name.
        most: Maximum number of attribute sets.
        shared: Places for the sets of all instruments together.
    """

    __slots__ = ("_key_places", "_keys", "_logged", "_places", "_sets", "_shared", "instrument", "refused")

    def __init__(self, instrument: str, most: int, shared: Places) -> None:
        self.instrument = instrument
        self._places = Places(most)
        self._shared = shared
        self._sets: dict[frozenset[tuple[object, ...]], dict[str, Any]] = {}
        self._keys: dict[object, str] = {}
        self._key_places = Places(MAX_KEYS)
        self._logged = False
        self.refused = 0

    def of(self, attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the attributes to record; ``None`` for none."""
        try:
            return self._of(attributes) if attributes else None
        except Exception:  # noqa: BLE001 - mappings and values may be objects of the application
            fault("foreign.attributes")
            return _OVERFLOW

    def _of(self, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
        if not isinstance(attributes, Mapping):
            self._refuse(f"attributes of type {type(attributes).__name__}, not a mapping")
            return None
        bounded: dict[str, Any] = {}
        changed = False
        for key, value in attributes.items():
            text = self._keys.get(key) or self._new_key(key)
            if text is None:
                self._refuse(_KEYS)
                return _OVERFLOW
            bounded[text], cut = bounded_value(value)
            changed = changed or cut
        found = self._admitted(bounded)
        if found is None:
            self._refuse(_SETS)
            return _OVERFLOW
        if changed:
            self._refuse(_VALUE)
        return found

    def _new_key(self, key: object) -> str | None:
        """Return the text of a key; ``None`` if it is refused."""
        text = str(key)
        if not 0 < len(text) <= MAX_VALUE_LENGTH:
            return None
        return self._key_places.put(self._keys, key, bounded_text(text))

    def _admitted(self, bounded: dict[str, Any]) -> dict[str, Any] | None:
        key = frozenset(identity(name, value) for name, value in bounded.items())
        found = self._sets.get(key)
        if found is not None:
            return found
        if not self._places or not self._shared.take():
            return None
        found = self._places.put(self._sets, key, bounded)
        if found is not bounded:
            self._shared.give_back()
        return found

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if not self._logged and may_log():
            self._logged = True
            logger.warning(
                "The instrument %s of another meter exceeds a limit: %s. Such measurements are counted in its series "
                "otel.metric.overflow or with cut values, and in wxiai_otel_series_refused_total.",
                self.instrument,
                why,
            )
