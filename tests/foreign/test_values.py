"""Whatever the attributes and amounts are, measurements count, every exposition parses and every export is encoded."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import metrics

from tests.foreign.conftest import KINDS, OVERFLOW, Measured, refused, series
from wxiai_otel import setup_telemetry


class Color(str, Enum):  # noqa: UP042 - applications have them
    RED = "red"


class Lying(Mapping):
    """A mapping that fails."""

    def __getitem__(self, key):
        raise KeyError(key)

    def __iter__(self):
        return iter("ab")

    def __len__(self):
        return 2


class Mute:
    def __str__(self):
        raise RuntimeError("no text")


SHOWN = {
    "text": ("中文", "中文"),
    "list": (["a", 1, None], '["a", 1, null]'),
    "tuple": ((1, 2), "[1, 2]"),
    "bytes": (b"\xff\x00", "\"b'\\\\xff\\\\x00'\""),
    "none": (None, "null"),
    "bool": (True, "true"),
    "whole": (2**63 - 1, str(2**63 - 1)),
    "nan": (math.nan, "NaN"),
    "enumeration": (Color.RED, "red"),
    "date": (date(2026, 1, 2), "2026-01-02"),
    "path": (Path("/a"), "/a"),
    "control characters": ("a\x1b\ud800", "a\\x1b\\ud800"),
}


@pytest.mark.parametrize(("value", "label"), SHOWN.values(), ids=SHOWN)
def test_a_value_within_the_limits_is_shown(bounded, value, label):
    Measured("counter").measure({"a": value}, {"a": value})

    assert series(bounded) == {(("a", label),): 2}
    assert refused(bounded) == 0


def test_values_that_are_equal_in_python_are_series_of_their_own(bounded):
    Measured("counter").measure({"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1.0"}, {"a": True})

    assert series(bounded) == {(("a", "1"),): 1, (("a", "true"),): 2, (("a", "1.0"),): 2}


CUT = {
    "long text": ("x" * 10_000, "x" * 128),
    "long text of an object": (Path("/" + "x" * 10_000), "/" + "x" * 127),
    "huge number": (2**63, "other"),
    "number without a decimal text": (10**5_000, "other"),
    "mapping": ({"a": 1}, "other"),
    "set": ({1}, "other"),
    "nested list": ([[1], 2], '["other", 2]'),
    "long list": ([0] * 1_000, str([0] * 16)),
}


@pytest.mark.parametrize(("value", "label"), CUT.values(), ids=CUT)
def test_a_value_beyond_a_limit_is_cut_and_counted(bounded, value, label):
    Measured("counter").measure({"a": value}, {"a": value})

    assert series(bounded) == {(("a", label),): 2}
    assert refused(bounded) == 2


@pytest.mark.parametrize("key", ["k" * 129, ""])
def test_a_key_that_is_not_allowed_is_in_the_overflow_series(bounded, key):
    Measured("counter").measure({key: 1})

    assert series(bounded) == {OVERFLOW: 1}
    assert refused(bounded) == 1


def test_keys_of_other_types_are_shown_as_text(bounded):
    Measured("counter").measure({1: "a"}, {None: "b"}, {("x", 1): "c"})

    assert sum(series(bounded).values()) == 3
    assert series(bounded)[(("None", "b"),)] == 1


def test_attributes_that_are_no_mapping_are_left_out(bounded):
    Measured("counter").measure(["a"], "text", 7)

    assert series(bounded) == {(): 3}
    assert refused(bounded) == 3


@pytest.mark.faulty
@pytest.mark.parametrize("attributes", [Lying(), {"a": Mute()}])
def test_attributes_that_fail_are_counted_in_the_overflow_series(bounded, attributes):
    Measured("counter").measure(attributes)

    assert series(bounded) == {OVERFLOW: 1}


def test_attributes_that_the_application_changes_later_stay_as_measured(bounded):
    attributes = {"a": ["x"]}
    things = Measured("counter")
    things.measure(attributes)
    attributes["a"].append("y")
    attributes["b"] = 1
    things.measure({"a": ["x"]})

    assert series(bounded) == {(("a", '["x"]'),): 2}


def test_equal_labels_are_one_series(bounded):
    Measured("counter").measure({"a.b": 1}, {"a_b": "1"}, {"a_b": "1", "c": ""})
    metrics.get_meter("another").create_counter("shop.things").add(1, {"a.b": "1"})

    assert series(bounded) == {(("a_b", "1"),): 4}


def test_equal_names_of_several_meters_keep_their_labels(bounded):
    for meter in ("one", "two"):
        metrics.get_meter(meter).create_histogram("shop.things").record(1, {meter: "x"})

    assert series(bounded) == {(("one", "x"),): 1, (("two", "x"),): 1}


AMOUNTS = [True, 2**40, 10**30, 1.5, Decimal(2), "2", "no number", None, 10**400, math.nan, math.inf, -1]


@pytest.mark.faulty
@pytest.mark.parametrize("kind", KINDS)
def test_no_amount_hurts_the_application_a_scrape_or_an_export(receiver, kind):
    telemetry = setup_telemetry(FastAPI())
    if kind.startswith("observable"):
        observations = [metrics.Observation(amount, {"a": n}) for n, amount in enumerate(AMOUNTS)]
        create = getattr(metrics.get_meter("shop"), f"create_{kind}")
        create("shop.things", [lambda _options: observations])
    else:
        things = Measured(kind)
        for n, amount in enumerate(AMOUNTS):
            things._record(amount, {"a": n})

    found = {labels[0][1]: value for labels, value in series(telemetry).items()}
    assert telemetry.force_flush()
    assert len(receiver.points("shop.things")) == len(found) >= 5
    telemetry.shutdown()
    if kind != "histogram":
        assert found["2"] == 1e30
    assert "5" not in found


@pytest.mark.parametrize("name", ["", "1x", "a b", "x" * 256, "名字", None, 7])
def test_an_instrument_with_a_name_that_is_not_allowed_is_not_recorded_and_counted(bounded, name, caplog):
    metrics.get_meter("shop").create_counter(name).add(1)
    metrics.get_meter("shop").create_observable_gauge(name, [lambda _options: ()])

    assert refused(bounded, "other") == 1
    assert "1 to 255 ASCII characters" in caplog.text


def test_units_and_descriptions_are_bounded(bounded):
    meter = metrics.get_meter(
        "m" * 10_000, "v" * 10_000, schema_url="s" * 10_000, attributes={"k" * 1_000: "v" * 1_000}
    )
    meter.create_counter("shop.things", "u" * 64, "d" * 10_000).add(1)

    text = bounded.render_metrics()[0].decode()
    (documented,) = [line for line in text.splitlines() if line.startswith("# HELP shop_things")]
    assert len(documented) < 1_100
    assert series(bounded) == {(): 1}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text() | st.integers(), VALUES, max_size=4), max_size=10))
def test_whatever_the_attributes_are_the_total_is_exact_and_all_parses(bounded, attributes):
    before = sum(series(bounded).values())
    Measured("counter").measure(*attributes)

    assert sum(series(bounded).values()) == before + len(attributes)
