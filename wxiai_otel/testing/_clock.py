"""Time that stands still until a test moves it: durations are then exactly what the test says."""

import importlib
import sys
import time
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
        self._began_ns = time.time_ns()
        self._passed_ns = 0
        self._replaced: list[tuple[ModuleType, str, Any]] = []

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_ns += round(seconds * _NANOSECONDS)

    def freeze(self) -> None:
        """Be the clock of all that is measured."""
        names = {
            "perf_counter": lambda: self._passed_ns / _NANOSECONDS,
            "time": lambda: (self._began_ns + self._passed_ns) / _NANOSECONDS,
            "time_ns": lambda: self._began_ns + self._passed_ns,
            # Ages are told by it, but limits as well, and these must be reached.
            "monotonic": lambda: time.monotonic() + self._passed_ns / _NANOSECONDS,
        }
        whole = SimpleNamespace(**names, sleep=time.sleep)
        for name in _MEASURING:
            module = _imported(name)
            for attribute, value in list(vars(module).items()) if module is not None else ():
                if value is time:
                    self._replace(module, attribute, whole)
                elif attribute in names and value is getattr(time, attribute):
                    self._replace(module, attribute, names[attribute])

    def release(self) -> None:
        """Let time go on."""
        for module, attribute, value in self._replaced:
            setattr(module, attribute, value)
        self._replaced.clear()

    def _replace(self, module: ModuleType | None, attribute: str, value: object) -> None:
        assert module is not None  # noqa: S101 - it is that of the loop
        self._replaced.append((module, attribute, getattr(module, attribute)))
        setattr(module, attribute, value)


def _imported(name: str) -> ModuleType | None:
    """A module; ``None`` where the package that it instruments is not installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        return None
    return sys.modules[name]
