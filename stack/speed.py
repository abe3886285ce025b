"""Intervals and windows of the stack, made shorter for tests."""

import os
import re

# https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION = re.compile(rf"(?<![\w.])(?:{_PART.pattern})+\b")
_DAY = 86_400_000
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY, "w": 7 * _DAY, "y": 365 * _DAY}


def faster(text: str) -> str:
    """Return a configuration in which every duration is divided by ``STACK_SPEED``, unchanged by default."""
    speed = float(os.environ.get("STACK_SPEED") or 1)
    if speed == 1:
        return text
    return _DURATION.sub(lambda found: f"{_milliseconds(found[0]) / speed:.0f}ms", text)


def _milliseconds(duration: str) -> int:
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(duration))
