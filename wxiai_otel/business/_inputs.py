"""Validation of helper arguments, before anything is counted: a counter cannot be decremented."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, cast

from .._guard import fault
from .._parsers import NotAllowed, boolean
from .._reentry import may_log
from ..instruments import Values
from ._process import current
from ._token import TaskTokenError
from ._words import InvalidInput, UnreadableInput

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("wxiai_otel")

_refused: dict[tuple[str, str], int] = {}  # by helper and parameter


def refuse(helper: str, invalid: InvalidInput | TaskTokenError) -> None:
    """Count an invalid argument, and log the first one of each parameter of a helper as a warning.

    Parameters:
        helper: The helper's name.
        invalid: What is wrong, and what is allowed.

    Raises:
        ValueError: Under pytest or with the setting strict; never for an object whose own code fails.
    """
    message = f"{helper}: {invalid}"
    if not isinstance(invalid, UnreadableInput) and _is_strict():
        raise type(invalid)(message) from None
    kind = (helper, getattr(invalid, "parameter", "token"))
    _refused.setdefault(kind, 0)
    _refused[kind] += 1
    first = _refused[kind] == 1
    with suppress(Exception):  # a log handler of the application may raise
        if may_log():
            logger.log(logging.WARNING if first else logging.DEBUG, "%s; not recorded", message)


def refusals() -> Iterator[tuple[Values, float]]:
    """Yield the number of refused arguments by helper."""
    counts: dict[str, int] = {}
    for (helper, _), count in _refused.copy().items():
        counts[helper] = counts.get(helper, 0) + count
    for helper, count in counts.items():
        yield (helper,), count


def checked(helper: str, site: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Decorate a helper so that invalid arguments are refused and other exceptions recorded as faults.

    Parameters:
        helper: The name of the helper.
        site: The site of a fault. See `fault`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except (InvalidInput, TaskTokenError) as invalid:
                refuse(helper, invalid)
            except Exception:  # noqa: BLE001 - the application goes on
                fault(site)
            return None

        return call

    return decorate


def resolved(parameter: str, option: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Return the value of a decorator's option for a call, or ``None`` if the option is a callable that raises.

    Raises:
        InvalidInput: The option is a coroutine function.
    """
    if not callable(option):
        value: object = option
        return value
    try:
        value = option(*args, **kwargs)
    except Exception:  # noqa: BLE001 - it is the application's code
        fault("helpers.option")
        return None
    if issubclass(type(value), CoroutineType):
        cast("CoroutineType[Any, Any, Any]", value).close()
        raise InvalidInput(f"`{parameter}` must be a value or a function, got a coroutine function", parameter)
    return value


def _is_strict() -> bool:
    business = current()
    strict = _strict_in_environment() if business is None else business.settings.strict
    return _is_under_pytest() if strict is None else strict


def _strict_in_environment() -> bool | None:
    try:
        return boolean(os.environ["WXIAI_OTEL_STRICT"])
    except (KeyError, NotAllowed):
        return None


def _is_under_pytest() -> bool:
    # Both are checked: an application may import pytest, and child processes inherit a test's environment.
    return "pytest" in sys.modules and not os.environ.keys().isdisjoint(("PYTEST_VERSION", "PYTEST_CURRENT_TEST"))
