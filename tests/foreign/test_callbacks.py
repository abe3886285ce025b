"""Callbacks of observable instruments: whatever one does, the endpoint answers and shows the others."""

import sys
import threading
from collections import Counter
from itertools import repeat

import pytest
from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.metrics import Observation

from tests.foreign.conftest import series
from tests.workers.watch import Watch
from wxiai_otel import setup_telemetry
from wxiai_otel.foreign import _callbacks

# How often a line is interrupted in a measurement: one of a loop runs thousands of times.
MOST_VISITS = 10


@pytest.fixture
def meter():
    return metrics.get_meter("shop")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_callbacks, "WAIT_SECONDS", 0.3)


def _creates(meter, _telemetry):
    def callback(_options):
        meter.create_observable_gauge("shop.late", [lambda _: [Observation(3)]])
        meter.create_counter("shop.calls").add(1)
        return [Observation(1)]

    return callback


def _scrapes(_meter, telemetry):
    def callback(_options):
        telemetry.render_metrics()
        return [Observation(1)]

    return callback


def _flushes(_meter, telemetry):
    def callback(_options):
        telemetry.force_flush()
        return [Observation(1)]

    return callback


def _raises(error):
    def make(_meter, _telemetry):
        def callback(_options):
            raise error

        return callback

    return make


def _returns(value):
    return lambda _meter, _telemetry: lambda _options: value


def _never_ends(_meter, _telemetry):
    return lambda _options: repeat(Observation(1))


CALLBACKS = {
    "creates instruments": _creates,
    "scrapes": _scrapes,
    "flushes": _flushes,
    "raises": _raises(ValueError("a")),
    "exits": _raises(SystemExit()),
    "is interrupted": _raises(KeyboardInterrupt()),
    "returns nothing": _returns(None),
    "returns texts": _returns(["a"]),
    "never ends": _never_ends,
}


@pytest.mark.faulty
@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS)
def test_a_callback_affects_no_other(meter, callback):
    telemetry = setup_telemetry(FastAPI())
    meter.create_observable_gauge("shop.broken", [callback(meter, telemetry)])
    meter.create_observable_gauge("shop.things", [lambda _: [Observation(7)]])
    for _ in range(2):
        telemetry.render_metrics()
        assert series(telemetry) == {(): 7}


def test_a_callback_may_create_instruments(meter):
    telemetry = setup_telemetry(FastAPI())
    meter.create_observable_gauge("shop.things", [_creates(meter, telemetry)])
    telemetry.render_metrics()

    assert series(telemetry, "shop_late") == {(): 3}
    assert series(telemetry, "shop_calls") == {(): 3}


def test_a_callback_that_blocks_delays_scrapes_for_a_bounded_time(meter):
    telemetry = setup_telemetry(FastAPI())
    ended = threading.Event()
    calls = []

    def blocks(_options):
        calls.append(1)
        ended.wait(30)
        return [Observation(1)]

    meter.create_observable_gauge("shop.slow", [blocks])
    meter.create_observable_gauge("shop.things", [lambda _: [Observation(7)]])
    try:
        watch = Watch()
        shown = [series(telemetry) for _ in range(3)]
        assert watch.seconds() < 3
        assert shown[-1] == {(): 7}
        assert len(calls) == 1, "it is not called again while it runs"
    finally:
        ended.set()


def test_the_last_observations_of_a_callback_that_blocks_are_shown_for_a_while(meter, monkeypatch):
    telemetry = setup_telemetry(FastAPI())
    ended = threading.Event()
    ended.set()

    def blocks(_options):
        ended.wait(30)
        return [Observation(5)]

    meter.create_observable_gauge("shop.things", [blocks])
    try:
        assert series(telemetry) == {(): 5}
        ended.clear()
        assert series(telemetry) == {(): 5}
        monkeypatch.setattr(_callbacks, "_KEEP_SECONDS", 0)
        assert series(telemetry) == {}
    finally:
        ended.set()


def test_whatever_line_of_the_sdk_is_interrupted_the_application_may_measure_and_create():
    telemetry = setup_telemetry(FastAPI())
    meter = metrics.get_meter("shop")
    things, times, level = meter.create_counter("shop.things"), meter.create_histogram("t"), meter.create_gauge("l")
    visits = Counter()
    measured = round_ = 0

    def measure(attributes):
        nonlocal measured
        measured += 1
        things.add(1, attributes)
        times.record(1, attributes)
        level.set(1, attributes)

    def interrupt(frame, _event, _argument):
        if "opentelemetry/sdk" not in frame.f_code.co_filename:
            return None
        visits[round_, frame.f_code, frame.f_lineno] += 1
        if visits[round_, frame.f_code, frame.f_lineno] > MOST_VISITS:
            return interrupt
        sys.settrace(None)
        measure({"line": len(visits) % 3})
        meter.create_counter(f"shop.late.{len(visits)}").add(1)
        metrics.get_meter(f"meter.{len(visits)}").create_observable_gauge("g", [lambda _: ()])
        sys.settrace(interrupt)
        return interrupt

    done = threading.Event()

    def run():
        nonlocal round_
        for round_ in range(3):
            sys.settrace(interrupt)
            try:
                measure({"number": round_})
                meter.create_up_down_counter(f"shop.first.{round_}").add(1)
            finally:
                sys.settrace(None)
        done.set()

    threading.Thread(target=run, daemon=True).start()

    before = -1
    while not done.wait(30):
        assert measured > before, "it waits for a lock that it holds itself"
        before = measured
    assert len(visits) > 3 * 50
    assert sum(series(telemetry).values()) == measured
