"""Conversion of what the helpers are given into labels and numbers. Objects of the application may do anything."""

import math
from collections.abc import Callable
from concurrent.futures import CancelledError
from decimal import Decimal
from numbers import Real
from reprlib import repr as brief
from typing import cast

from starlette.requests import ClientDisconnect

from .._labels import whole

# The name of a class, whatever its metaclass says.
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__


class InvalidInput(ValueError):
    """An argument of a helper that is not allowed.

    Parameters:
        message: What is wrong, and what is allowed.
        parameter: The name of the parameter.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter


class UnreadableInput(InvalidInput):
    """An argument of a helper whose own code fails when it is read."""


def shown(value: object) -> str:
    """Return a short representation of a value for an error, whatever its ``__repr__`` does."""
    try:
        return whole(brief(value))
    except Exception:  # noqa: BLE001 - it is the application's code; nor does Python write an integer of many digits
        return f"<{_name_of(type(value))}>"


def number_of(value: object) -> float | None:
    """Return an amount as a float; ``None`` if it is negative, not finite, or no number."""
    try:
        if isinstance(value, bool) or not isinstance(value, Real | Decimal):
            return None
        number = float(value)
    except Exception:  # noqa: BLE001 - it is too large, or a class of the application's
        return None
    return number if math.isfinite(number) and number >= 0 else None


def word(value: object, parameter: str = "value") -> str | None:
    """Return the text of a value for a label, of an enumeration its member's value; ``None`` if there is none.

    Parameters:
        value: Anything.
        parameter: The parameter that it was given for.

    Raises:
        UnreadableInput: The value cannot be converted to text.
    """
    if value is None:
        return None
    try:
        text = str(getattr(value, "value", value))
        # A subclass may compare and hash in its own way.
        return whole(str.__str__(text)) or None
    except Exception:  # noqa: BLE001 - it is the application's code
        raise UnreadableInput(f"`{parameter}` must be a string, got {shown(value)}", parameter) from None


def class_name(error: object, parameter: str = "error") -> str:
    """Return the label of an error: its class's name without module, or the word itself.

    Raises:
        UnreadableInput: The error is no exception and cannot be converted to text.
    """
    # An object may lie about its class.
    if issubclass(type(error), BaseException):
        return _name_of(type(error))
    if issubclass(type(error), type):
        return _name_of(cast("type", error))
    return word(error, parameter) or "unknown"


def is_cancellation(error: BaseException) -> bool:
    """Return whether the caller has given up: a cancelled task, a closed stream, a client that left, a signal."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    return not isinstance(error, Exception) or isinstance(error, CancelledError | ClientDisconnect)
