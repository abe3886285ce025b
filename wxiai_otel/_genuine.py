"""Telling a library's own functions from those that the application, or its tests, put in their place."""

import inspect
from types import ModuleType
from typing import Any


def comes_from(function: Any, package: str) -> bool:
    """Whether a package defines a function, also if an instrumentation library wraps it by ``__wrapped__``.

    A mock, a fake, or a plain function in its place belongs to the application, which does not expect our calls.

    Parameters:
        function: A function, method or class.
        package: The top-level package; the underscore of its extension module is optional.
    """
    try:
        found = inspect.unwrap(function)
    except ValueError:  # a cycle
        return False
    found = getattr(found, "__func__", found)
    names = getattr(found, "__globals__", None)
    home = names.get("__name__") if isinstance(names, dict) else getattr(found, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0].lstrip("_") == package.lstrip("_")


def connects_itself(module: ModuleType) -> bool:
    """Whether the ``connect`` of a driver's module is the driver's own."""
    return comes_from(getattr(module, "connect", None), module.__name__.partition(".")[0])
