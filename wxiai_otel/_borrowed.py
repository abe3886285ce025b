"""Weak references to an application's callables.

The telemetry of a process outlives its applications. A strong reference to a health check would keep the application
alive, because a check usually refers to its application.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from weakref import ref

from ._questions import NothingToAsk
from .settings import Settings


class Borrowed:
    """A callable, held by a weak reference.

    Parameters:
        function: The callable. The application must keep it alive.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = ref(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Raises:
            NothingToAsk: The application was freed.
        """
        function = self._function()
        if function is None:
            raise NothingToAsk
        return function(*args, **kwargs)


def borrowed(value: Any) -> Any:
    """Wrap a callable, or each callable of a mapping, in `Borrowed`; return anything else unchanged."""
    if isinstance(value, Mapping):
        return {key: borrowed(one) for key, one in value.items()}
    if not callable(value) or isinstance(value, type):
        return value
    try:
        return Borrowed(value)
    except TypeError:  # the type does not support weak references
        return value


def borrowed_settings(settings: Settings) -> Settings:
    """Return settings with every callable wrapped in `Borrowed`."""
    changed = {
        field.name: borrowed(value)
        for field in fields(settings)
        if _is_borrowed(value := getattr(settings, field.name))
    }
    return replace(settings, **changed)


def _is_borrowed(value: Any) -> bool:
    return callable(value) or (isinstance(value, Mapping) and any(map(callable, value.values())))
