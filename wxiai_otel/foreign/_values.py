"""Keys and values of attributes, bounded in length and valid for every exporter."""

import math
from typing import Any

from .._labels import printable
from .._series import MAX_VALUE_LENGTH, OVERFLOW

_MAX_ITEMS = 16
_LEAST_INT, _LARGEST_INT = -(2**63), 2**63 - 1
# A sum of whole numbers may not leave 64 bits: OTLP could not encode it, and the whole export would fail.
_LARGEST_WHOLE_AMOUNT = 2**31


def bounded_text(text: str) -> str:
    """Return a text cut to `MAX_VALUE_LENGTH` characters, with control characters and lone surrogates escaped."""
    # Of a subclass, e.g. an enumeration, the characters: its own methods may do anything.
    return printable(str.__getitem__(text, slice(MAX_VALUE_LENGTH)))


def bounded_value(value: Any) -> tuple[Any, bool]:
    """Return a value that exporters accept, and whether a limit has changed it.

    Texts and bytes are cut. A sequence keeps its first 16 items. Numbers beyond 64 bits, mappings and nested sequences
    become ``other``. Any other object is replaced by its text, as in the SDK.
    """
    if isinstance(value, str):
        return bounded_text(value), len(value) > MAX_VALUE_LENGTH
    if value is None or isinstance(value, bool):
        return value, False
    if isinstance(value, int):
        return (int(value), False) if _LEAST_INT <= value <= _LARGEST_INT else (OVERFLOW, True)
    if isinstance(value, float):
        # One object for all of them: NaN equals only itself.
        return math.nan if math.isnan(value) else float(value), False
    if isinstance(value, bytes):
        return bytes(value[:MAX_VALUE_LENGTH]), len(value) > MAX_VALUE_LENGTH
    if isinstance(value, list | tuple):
        found = [(OVERFLOW, True) if _is_container(item) else bounded_value(item) for item in value[:_MAX_ITEMS]]
        return tuple(item for item, _ in found), len(value) > _MAX_ITEMS or any(changed for _, changed in found)
    if _is_container(value):
        return OVERFLOW, True
    text = str(value)
    return bounded_text(text), len(text) > MAX_VALUE_LENGTH


def _is_container(value: object) -> bool:
    return isinstance(value, list | tuple | dict | set | frozenset)


def identity(key: str, value: Any) -> tuple[object, ...]:
    """Return what tells an attribute from all others: ``1``, ``1.0`` and ``True`` are equal in Python."""
    return (key, value) if type(value) is str else (key, type(value), repr(value))


def amount_of(amount: Any) -> float:
    """Return a measured amount as a number that every aggregation and exporter can add up."""
    kind = type(amount)
    if kind is float or (kind is int and -_LARGEST_WHOLE_AMOUNT <= amount <= _LARGEST_WHOLE_AMOUNT):
        return amount  # type: ignore[no-any-return]
    return float(amount + 0)  # a text is no number, though `float` would read it
