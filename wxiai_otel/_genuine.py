"""Detection of library functions that the application or its tests have replaced."""

import inspect
from types import ModuleType
from typing import Any


def comes_from(function: Any, package: str) -> bool:
    """Return whether a package defines a function, also behind wrappers that set ``__wrapped__``.

    A mock, a fake or another replacement belongs to the application, which does not expect our calls.

    Parameters:
        function: A function, method or class.
        package: The top-level package. A leading underscore, as extension modules have it, is ignored.
    """
    try:
        found = inspect.unwrap(function)
    except ValueError:  # a cycle of wrappers
        return False
    found = getattr(found, "__func__", found)
    names = getattr(found, "__globals__", None)
    home = names.get("__name__") if isinstance(names, dict) else getattr(found, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0].lstrip("_") == package.lstrip("_")


def connects_itself(module: ModuleType) -> bool:
    """Return whether the driver itself defines its module's ``connect``."""
    return comes_from(getattr(module, "connect", None), module.__name__.partition(".")[0])
