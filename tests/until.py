"""Waiting for what happens in the background."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_ANY = object()
_STEP_SECONDS = 0.02


def until(find: Callable[[], T], timeout: float = 30, *, equals: Any = _ANY) -> T:
    """Call a function until it returns what is wanted, and return that.

    Parameters:
        find: Has no side effects that matter.
        timeout: Seconds. Only a test that fails takes so long.
        equals: What is wanted; by default anything true.

    Raises:
        AssertionError: At the deadline; names what was wanted and what was found last.
    """
    deadline = time.monotonic() + timeout
    while True:
        is_over = time.monotonic() >= deadline
        found = find()
        if found == equals if equals is not _ANY else found:
            return found
        if is_over:
            wanted = "anything true" if equals is _ANY else repr(equals)
            raise AssertionError(f"not within {timeout:g} s: wanted {wanted}, found {found!r}")
        time.sleep(_STEP_SECONDS)
