"""Time that stands still until a test moves it: durations are then exactly what the test says."""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

# Where something is measured, and the functions of `time` that are called there by their names. Where a limit in
# seconds is waited for, time goes on as ever.
_MEASURING = (
    "opentelemetry.sdk.trace",
    "wxiai_otel._held_spans",
    "wxiai_otel.business._ai",
    "wxiai_otel.business._task_store",
    "wxiai_otel.business._tasks",
    "wxiai_otel.business._token",
    "wxiai_otel.detection._detector",
    "wxiai_otel.http._exchange",
    "wxiai_otel.http._websocket",
    "wxiai_otel.redis._calls",
    "wxiai_otel.sql._instrumentation",
    "wxiai_otel.users._activity",
)
_NANOSECONDS = 1_000_000_000


class Clock:
    """Stands still until it is moved. Sleeping moves nothing: whatever takes time says so by `tick`."""

    def __init__(self) -> None:
        self._passed_ns = 0

    @property
    def passed_ns(self) -> int:
        """Nanoseconds that have passed."""
        return self._passed_ns

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_ns += round(seconds * _NANOSECONDS)


@contextmanager
def frozen() -> Iterator[Clock]:
    """A clock that is the one of all that is measured within the block."""
    clock = Clock()
    began_ns = time.time_ns()
    names: dict[str, Callable[[], float]] = {
        "perf_counter": lambda: clock.passed_ns / _NANOSECONDS,
        "time": lambda: (began_ns + clock.passed_ns) / _NANOSECONDS,
        "time_ns": lambda: began_ns + clock.passed_ns,
        # Ages are told by it, but limits as well, and these must be reached.
        "monotonic": lambda: time.monotonic() + clock.passed_ns / _NANOSECONDS,
    }
    whole = SimpleNamespace(**names, sleep=time.sleep)
    replaced = [found for name in _MEASURING for found in _functions_of_time(name)]
    for module, attribute, value in replaced:
        setattr(module, attribute, whole if value is time else names[value.__name__])
    try:
        yield clock
    finally:
        for module, attribute, value in replaced:
            setattr(module, attribute, value)


def _functions_of_time(name: str) -> list[tuple[ModuleType, str, Any]]:
    """Where a module has `time` or functions of it: (module, attribute, value)."""
    module = _imported(name)
    known = (time, time.time, time.perf_counter, time.time_ns, time.monotonic)
    if module is None:
        return []
    return [(module, name, value) for name, value in vars(module).items() if any(value is each for each in known)]


def _imported(name: str) -> ModuleType | None:
    """A module; ``None`` where the package that it instruments is not installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        return None
    return sys.modules[name]
