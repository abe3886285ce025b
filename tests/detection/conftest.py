"""A clock that moves when the test says so."""

import pytest

from tests.clock import Clock
from wxiai_otel.detection import _detector


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of detection."""
    clock = Clock()
    monkeypatch.setattr(_detector, "time", clock)
    return clock
