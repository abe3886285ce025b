"""What the helpers are given: checked before anything is counted, because a counter cannot take anything back."""

import logging
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from numbers import Real
from typing import Any

from .._guard import guarded
from .._labels import whole
from .._reentry import may_log
from ..instruments import Values
from ._process import Business

logger = logging.getLogger("wxiai_otel")

_refused: dict[str, int] = {}


def refuse(business: Business, helper: str, message: str) -> None:
    """Say that what a helper was given is not allowed, and is not recorded.

    Parameters:
        business: Whose setting strict decides.
        helper: The helper's name.
        message: What was wrong, and what is allowed.

    Raises:
        ValueError: Under pytest, or where the setting strict says so; otherwise it is a warning.
    """
    strict = business.settings.strict
    if strict or (strict is None and "pytest" in sys.modules):
        raise ValueError(f"{helper}: {message}")
    _refused.setdefault(helper, 0)
    _refused[helper] += 1
    first = _refused[helper] == 1
    if may_log():
        logger.log(logging.WARNING if first else logging.DEBUG, "%s: %s; it is not recorded", helper, message)


def refusals() -> Iterator[tuple[Values, float]]:
    """How many calls of each helper were refused."""
    for helper, count in _refused.copy().items():
        yield (helper,), count


def number_of(value: object) -> float | None:
    """An amount of credits as a float; ``None`` for what is negative, not finite, or no number."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def word(value: object) -> str | None:
    """A value for a label: of an enumeration its member's value; ``None`` for nothing, or an empty text."""
    return None if value is None else whole(str(getattr(value, "value", value))) or None


def class_name(error: object) -> str:
    """The label of an error: its class' name without module, or the word itself."""
    if isinstance(error, BaseException):
        return type(error).__name__
    return error.__name__ if isinstance(error, type) else word(error) or "unknown"


@guarded("helpers.option")
def resolved(option: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """The value of a decorator's option for a call; ``None`` where the option is a callable that raises."""
    return option(*args, **kwargs) if callable(option) else option
