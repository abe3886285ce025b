"""Callables of an application, which the process's telemetry calls without keeping them alive.

The telemetry of a process outlives single applications. If it held an application's health checks, it would hold the
application, which a check usually refers to.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from weakref import ref

from ._questions import NothingToAsk
from .settings import Settings


class Borrowed:
    """A callable that its application keeps alive.

    Parameters:
        function: The callable.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = ref(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it.

        Raises:
            NothingToAsk: The application is gone.
        """
        function = self._function()
        if function is None:
            raise NothingToAsk
        return function(*args, **kwargs)


def borrowed(value: Any) -> Any:
    """Return a callable as `Borrowed`, a mapping with its callables so, and anything else unchanged."""
    if isinstance(value, Mapping):
        return {key: borrowed(one) for key, one in value.items()}
    if not callable(value) or isinstance(value, type):
        return value
    try:
        return Borrowed(value)
    except TypeError:  # no weak reference to it is possible
        return value


def borrowed_settings(settings: Settings) -> Settings:
    """Return settings whose callables are `Borrowed`."""
    changed = {
        field.name: borrowed(value)
        for field in fields(settings)
        if _is_borrowed(value := getattr(settings, field.name))
    }
    return replace(settings, **changed)


def _is_borrowed(value: Any) -> bool:
    return callable(value) or (isinstance(value, Mapping) and any(map(callable, value.values())))
