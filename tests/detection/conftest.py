"""A clock that moves when the test says so."""

from types import SimpleNamespace

import pytest

from wxiai_otel.detection import _detector


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The monotonic clock of detection: ``now`` in seconds."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(_detector, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock
