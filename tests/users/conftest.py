"""A clock that tests set, and activity over it."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.users.internals import _activity
from wxiai_otel.redis import StateRedis
from wxiai_otel.users import Activity


class Clock:
    """The time of day; what has passed since the start is passed by hand as well."""

    def __init__(self) -> None:
        self.now = datetime.fromisoformat("2026-03-15T12:00:03+08:00").timestamp()
        self.passed = 1_000.0

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).timestamp()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_activity, "time", SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.passed))
    return clock


def state(client: Any) -> StateRedis:
    return StateRedis(client, 2.0, "wxiai_otel")


class Figures:
    """What an activity's gauges show, after it was told."""

    def __init__(self, activity: Activity, clock: Clock) -> None:
        clock.advance(2)
        activity.flush(5)
        found = {name: dict(observe()) for name, observe in activity.observed().items()}
        self.active = found["active_users.current"].get(())
        self.daily = found["daily_active_users"].get(())
        self.monthly = found["monthly_active_users"].get(())
        self.retention = {period: share for (period,), share in found["user.retention_rate"].items()}
