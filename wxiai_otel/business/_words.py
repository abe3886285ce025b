"""Conversion of helper arguments to labels and numbers. Objects of the application may raise anything."""

import math
from collections.abc import Callable
from concurrent.futures import CancelledError
from decimal import Decimal
from numbers import Real
from reprlib import repr as brief
from typing import cast

from starlette.requests import ClientDisconnect

from .._labels import whole

# The real name of a class: a metaclass may override `__name__`.
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__


class InvalidInput(ValueError):
    """An invalid argument of a helper.

    Parameters:
        message: The fault, and the allowed values.
        parameter: The name of the parameter.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter


class UnreadableInput(InvalidInput):
    """An argument of a helper whose own code fails when it is read."""


def shown(value: object) -> str:
    """Return a short representation of a value for an error, even if its ``__repr__`` raises."""
    try:
        return whole(brief(value))
    except Exception:  # noqa: BLE001 - application code, or an integer with too many digits to convert
        return f"<{_name_of(type(value))}>"


def number_of(value: object) -> float | None:
    """Return an amount as a float; ``None`` if it is negative, not finite, or no number."""
    try:
        if isinstance(value, bool) or not isinstance(value, Real | Decimal):
            return None
        number = float(value)
    except Exception:  # noqa: BLE001 - too large a number, or application code
        return None
    return number if math.isfinite(number) and number >= 0 else None


def word(value: object, parameter: str = "value") -> str | None:
    """Convert a value to the text of a label; an enumeration member to that of its value.

    Parameters:
        value: Any object.
        parameter: The name of the parameter, for the error.

    Returns:
        The text; ``None`` if the value is ``None`` or its text is empty.

    Raises:
        UnreadableInput: The value cannot be converted to text.
    """
    if value is None:
        return None
    try:
        text = str(getattr(value, "value", value))
        # A subclass of `str` may override comparisons and hashing.
        return whole(str.__str__(text)) or None
    except Exception:  # noqa: BLE001 - it is the application's code
        raise UnreadableInput(f"`{parameter}` must be a string, got {shown(value)}", parameter) from None


def class_name(error: object, parameter: str = "error") -> str:
    """Return the label of an error: the name of its class without the module, or the word that was given.

    Raises:
        UnreadableInput: The error is not an exception and cannot be converted to text.
    """
    # `type` and not `isinstance`: an object may fake its class.
    if issubclass(type(error), BaseException):
        return _name_of(type(error))
    if issubclass(type(error), type):
        return _name_of(cast("type", error))
    return word(error, parameter) or "unknown"


def is_cancellation(error: BaseException) -> bool:
    """Return whether the caller gave up: a cancelled task, a closed stream, a client that left, or a signal."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    return not isinstance(error, Exception) or isinstance(error, CancelledError | ClientDisconnect)
