"""What the helpers are given: checked before anything is counted, because a counter cannot take anything back."""

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
    """Count an input that is not allowed. Log it once for each parameter of a helper.

    Parameters:
        helper: The helper's name.
        invalid: What is wrong, and what is allowed.

    Raises:
        ValueError: Under pytest, or if the setting strict is on; never for an object that cannot be read.
    """
    message = f"{helper}: {invalid}"
    if not isinstance(invalid, UnreadableInput) and _is_strict():
        raise type(invalid)(message) from None
    kind = (helper, getattr(invalid, "parameter", "token"))
    _refused.setdefault(kind, 0)
    _refused[kind] += 1
    first = _refused[kind] == 1
    with suppress(Exception):  # a logging handler of the application's may itself be broken
        if may_log():
            logger.log(logging.WARNING if first else logging.DEBUG, "%s; it is not recorded", message)


def refusals() -> Iterator[tuple[Values, float]]:
    """Yield how many inputs of each helper were refused."""
    counts: dict[str, int] = {}
    for (helper, _), count in _refused.copy().items():
        counts[helper] = counts.get(helper, 0) + count
    for helper, count in counts.items():
        yield (helper,), count


def checked(helper: str, site: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Decorate a helper: an input that is not allowed is refused, and any other exception is a fault.

    Parameters:
        helper: The name of the helper.
        site: The site of the fault. See `fault`.
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
    """Return the value of a decorator's option for a call; ``None`` if the option is a callable that raises.

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
    # An application may import pytest, and its processes inherit the environment of a test.
    return "pytest" in sys.modules and not os.environ.keys().isdisjoint(("PYTEST_VERSION", "PYTEST_CURRENT_TEST"))
