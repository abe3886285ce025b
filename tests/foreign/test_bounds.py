"""Each instrument of another meter has a bounded number of series, and its total stays exact."""

import gc
import tracemalloc

import pytest
from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.metrics import Observation

from tests.foreign.conftest import ADDED_UP, KINDS, MOST, OVERFLOW, Measured, refused, series
from wxiai_otel import setup_telemetry

ATTACKS = 500


def attack(first: int = 0) -> list[dict[str, str]]:
    return [{"host": f"h{n}.example.com"} for n in range(first, first + ATTACKS)]


@pytest.mark.parametrize("kind", KINDS)
def test_attribute_sets_beyond_the_limit_are_one_overflow_series(bounded, kind):
    Measured(kind).measure(*attack())

    found = series(bounded)
    assert len(found) == MOST + 1
    assert found[(("host", "h0.example.com"),)] == 1
    assert OVERFLOW in found


@pytest.mark.parametrize("kind", ADDED_UP)
def test_totals_stay_exact(bounded, kind):
    Measured(kind).measure(*attack())

    found = series(bounded)
    assert sum(found.values()) == ATTACKS
    assert found[OVERFLOW] == ATTACKS - MOST


@pytest.mark.parametrize("kind", KINDS)
def test_series_stay_bounded_over_time(bounded, kind):
    things = Measured(kind)
    for round_ in range(5):
        things.measure(*attack(round_ * ATTACKS))
        series(bounded)

    assert len(series(bounded)) <= MOST + 1


@pytest.mark.parametrize("kind", KINDS)
def test_refused_measurements_are_counted_and_logged_once(bounded, kind, caplog):
    things = Measured(kind)
    things.measure(*attack())
    series(bounded)
    things.measure(*attack(ATTACKS))
    series(bounded)

    assert refused(bounded) >= 2 * ATTACKS - MOST
    assert len([record for record in caplog.records if "shop.things" in record.getMessage()]) == 1


@pytest.mark.parametrize("histogram", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_what_is_exported_is_bounded_in_either_engine(receiver, monkeypatch, histogram, temporality):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", histogram)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality)
    telemetry = setup_telemetry(FastAPI(), max_series=MOST)
    for kind in KINDS:
        Measured(kind, f"shop.{kind}").measure(*attack())

    assert telemetry.force_flush()

    for kind in KINDS:
        points = receiver.points(f"shop.{kind}")
        assert len(points) == MOST + 1, kind
        overflow = [point for point in points if point.attributes[0].key == "otel.metric.overflow"]
        assert [point.attributes[0].value.bool_value for point in overflow] == [True]
        if kind in ADDED_UP:
            assert sum(getattr(p, "count", 0) or getattr(p, "as_int", 0) for p in points) == ATTACKS, kind


def test_without_attributes_a_measurement_has_a_series_of_its_own(bounded):
    things = Measured("counter")
    things.measure(*attack())
    things.measure(None, {})

    assert series(bounded)[()] == 2


def test_the_order_of_attributes_does_not_matter(bounded):
    Measured("counter").measure({"a": 1, "b": 2}, {"b": 2, "a": 1})

    assert series(bounded) == {(("a", "1"), ("b", "2")): 2}


def test_keys_are_bounded_over_all_sets_of_an_instrument():
    telemetry = setup_telemetry(FastAPI())
    Measured("counter").measure(*({f"key{n}": 1} for n in range(ATTACKS)))
    Measured("counter", "shop.wide").measure({f"key{n}": 1 for n in range(33)})

    found = series(telemetry)
    assert len(found) == 33
    assert found[OVERFLOW] == ATTACKS - 32
    assert series(telemetry, "shop_wide") == {OVERFLOW: 1}


def test_all_instruments_together_have_at_most_ten_thousand_sets():
    telemetry = setup_telemetry(FastAPI())
    for number in range(12):
        Measured("counter", f"shop.c{number}").measure(*({"n": n} for n in range(1_100)))

    lines = [line for line in telemetry.render_metrics()[0].decode().splitlines() if line.startswith("shop_c")]
    assert len(lines) == 10_000 + 12
    assert sum(float(line.split()[-1]) for line in lines) == 12 * 1_100


def test_instruments_and_meters_are_bounded(caplog):
    telemetry = setup_telemetry(FastAPI())
    for n in range(1_500):
        metrics.get_meter(f"meter {n}", f"{n}", attributes={"n": n}).create_counter(f"stranger.n{n}").add(1)
    metrics.get_meter("late").create_observable_gauge("late.gauge", [lambda _options: [Observation(1)]])

    shown = telemetry.render_metrics()[0].decode().count("# TYPE stranger_n")
    # Libraries that other tests have imported may have instruments too.
    assert 950 <= shown <= 1_000
    assert refused(telemetry, "other") == 1_500 - shown
    assert len([record for record in caplog.records if "is not recorded" in record.getMessage()]) == 1


def test_an_instrument_that_is_created_again_is_the_same(bounded):
    for _ in range(5):
        Measured("counter").measure({"a": 1})
    for n in range(MOST):
        Measured("counter").measure({"n": n})

    assert series(bounded)[(("a", "1"),)] == 5
    assert len(series(bounded)) == MOST + 1


def test_series_stay_bounded_after_a_second_set_up():
    for _ in range(3):
        telemetry = setup_telemetry(FastAPI(), max_series=MOST)
        things = Measured("counter")
        things.measure(*attack())
        assert sum(series(telemetry).values()) == ATTACKS
        assert len(series(telemetry)) == MOST + 1
        telemetry.shutdown()
        things.measure(*attack())


def test_an_instrument_made_before_the_set_up_is_bounded_too():
    things = Measured("counter")
    telemetry = setup_telemetry(FastAPI(), max_series=MOST)
    things.measure(*attack())

    assert len(series(telemetry)) == MOST + 1
    assert sum(series(telemetry).values()) == ATTACKS


def test_a_generator_may_observe(bounded):
    def counts():
        options = yield []
        while options:
            options = yield [Observation(2, {"n": n}) for n in range(ATTACKS)]

    metrics.get_meter("shop").create_observable_counter("shop.things", [counts()])

    assert sum(series(bounded).values()) == 2 * ATTACKS
    assert len(series(bounded)) == MOST + 1


@pytest.mark.long
def test_memory_and_the_exposition_stay_flat(bounded):
    things = [Measured(kind, f"shop.{kind}") for kind in KINDS]

    def load(first: int) -> tuple[int, int]:
        for one in things:
            one.measure(*({"host": f"h{n}"} for n in range(first, first + 250)))
        size = len(bounded.render_metrics()[0])
        for one in things:
            one.measure()
        bounded.render_metrics()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], size

    tracemalloc.start()
    try:
        load(0)
        memory, size = load(250)
        later = [load(first) for first in range(500, 1_250, 250)]
    finally:
        tracemalloc.stop()
    assert max(found[0] for found in later) - memory < 50_000
    assert max(found[1] for found in later) - size < 200
