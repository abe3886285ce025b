"""Waiting for what happens in the background."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(find: Callable[[], T], timeout: float = 10) -> T:
    """What is found, as soon as it is true; what was found last after the timeout."""
    deadline = time.monotonic() + timeout
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
