"""A fault of ours is counted and logged, and goes no further."""

import logging

import pytest

from tests.internals import fault, faults, guard, guarded

pytestmark = pytest.mark.faulty


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(guard, "_logged_at", {})


def failing():
    raise ValueError("broken")


def test_a_guarded_function_gives_its_result(caplog):
    assert guarded("site.a")(lambda: 5)() == 5
    assert caplog.records == []


def test_what_a_guarded_function_raises_is_counted_and_logged_with_its_traceback(caplog):
    before = faults().get("site.b", 0)
    assert guarded("site.b")(failing)() is None
    assert faults()["site.b"] == before + 1
    (record,) = caplog.records
    assert "site.b" in record.getMessage()
    assert record.exc_info[0] is ValueError


def test_a_site_that_fails_often_is_logged_once_a_minute_and_counted_each_time(caplog, monkeypatch):
    now = 100.0
    monkeypatch.setattr(guard.time, "monotonic", lambda: now)
    before = faults().get("site.c", 0)
    for _ in range(50):
        guarded("site.c")(failing)()
    now += 59
    guarded("site.c")(failing)()
    assert len(caplog.records) == 1
    now += 1
    guarded("site.c")(failing)()
    assert len(caplog.records) == 2
    assert faults()["site.c"] == before + 52


def test_a_broken_logging_handler_is_no_exception_either(monkeypatch):
    class Broken(logging.Handler):
        def handle(self, record):
            raise RuntimeError("broken handler")

    handler = Broken()
    guard.logger.addHandler(handler)
    try:
        try:
            failing()
        except ValueError:
            fault("site.d")
    finally:
        guard.logger.removeHandler(handler)
    assert faults()["site.d"] >= 1


def test_what_ends_a_program_passes():
    def ending():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded("site.e")(ending)()
