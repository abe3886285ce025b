"""Intervals and windows of the stack, made shorter for tests."""

import os
import re

_DURATION = re.compile(r"(?<![\w.])(\d+)(ms|s|m|h|d)\b")
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def faster(text: str) -> str:
    """Return a configuration in which every duration is divided by ``STACK_SPEED``, unchanged by default."""
    speed = float(os.environ.get("STACK_SPEED") or 1)
    if speed == 1:
        return text
    return _DURATION.sub(lambda found: f"{int(found[1]) * _MILLISECONDS[found[2]] / speed:.0f}ms", text)
