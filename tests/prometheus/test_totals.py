"""Totals of several workers: exact in any order, and bounded as in one process."""

import itertools
import json

import pytest

from tests.prometheus.internals import (
    Record,
    add_exemplars,
    add_records,
    application_totals,
    bounded,
    metrics_data,
    series_key,
)
from wxiai_otel.catalogue import BY_NAME
from wxiai_otel.foreign import MAX_INSTRUMENTS


def credits_purchased(value: float, order: int = 1) -> Record:
    return Record(series_key("own", "credits.purchased", {}), order, 10, [value, 0.0])


def error(kind: str, order: int, value: float = 1) -> Record:
    return Record(
        series_key("own", "application.errors", {"error.type": kind, "component": "api"}), order, 10, [value, 0.0]
    )


def total(*workers: list[Record], most: int = 10_000) -> dict:
    totals = {}
    for worker in workers:
        add_records(totals, worker)
    return bounded(totals, most)


def folded(totals: dict) -> list[Record]:
    return [one.record(key) for key, one in totals.items()]


def points(totals: dict) -> dict:
    """Values by attributes."""
    (resource,) = metrics_data(totals, {}).resource_metrics
    return {
        tuple((point.attributes or {}).values()): point.value
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_a_sum_is_the_same_whatever_the_order_and_whoever_has_ended():
    """One that differs in its last digit may go down, which Prometheus takes for a restart."""
    amounts = [0.1, 0.2, 0.3, 1e16, 7.7, 1e-9]
    seen = set()
    for order in itertools.permutations(amounts):
        workers = [[credits_purchased(amount)] for amount in order]
        for ended in (0, 2, 5):
            gone = []
            for worker in workers[:ended]:
                gone = folded(total(gone, worker))
            seen |= set(points(total(gone, *workers[ended:])).values())
    assert len(seen) == 1


def test_counts_of_histograms_are_added_bucket_by_bucket():
    key = series_key("own", "cache.operation.duration", {"db.operation.name": "get"})
    rest = [0] * (len(BY_NAME["cache.operation.duration"].buckets) - 2)
    found = total([Record(key, 1, 20, [1.5, 0, 1, 2, 3, *rest])], [Record(key, 2, 10, [2.5, 0, 10, 0, 1, *rest])])
    (resource,) = metrics_data(found, {}).resource_metrics
    (point,) = resource.scope_metrics[0].metrics[0].data.data_points
    assert (point.sum, point.count, point.bucket_counts) == (4.0, 17, (11, 2, 4, *rest))
    assert point.start_time_unix_nano == 10


def test_a_record_of_another_layout_is_not_added():
    one = credits_purchased(3)
    assert points(total([one], [one._replace(cells=[1.0, 0.0, 5.0])])) == {(): 3}


def test_values_of_a_label_are_bounded_over_all_workers_and_none_is_lost():
    workers = [[error(f"E{worker}x{n}", 1_000 * worker + n) for n in range(300)] for worker in range(5)]
    found = points(total(*workers))
    names = {values[0] for values in found}
    assert len(names) == 201
    assert names == {*(f"E0x{n}" for n in range(200)), "other"}
    assert sum(found.values()) == 1_500


def test_a_later_worker_takes_no_place_from_an_earlier_one():
    early = [error(f"early{n}", n) for n in range(200)]
    before = points(total(early))
    after = points(total([error("late", 10_000), error("later", 10_001)], early))
    assert before.items() <= after.items()
    assert sum(after.values()) == 202


def test_folding_some_workers_changes_no_series():
    workers = [[error(f"E{n}", 7 * n + worker, worker + 1) for n in range(worker, 300, 3)] for worker in range(3)]
    expected = points(total(*workers))
    gone = folded(total(workers[2]))
    gone = folded(total(gone, workers[0]))
    assert points(total(gone, workers[1])) == expected


@pytest.mark.parametrize("kind", ["sdk", "app"])
def test_series_of_the_applications_own_are_bounded_too(kind):
    name = ["scope", "jobs", "1", "help", None] if kind == "sdk" else ["jobs", "counter", "help", []]
    workers = [
        [Record(series_key(kind, name, {"id": f"{worker}-{n}"}), worker * 100 + n, 0, [1, 0]) for n in range(100)]
        for worker in range(10)
    ]
    found = total(*workers, most=150)
    assert len(found) == 151
    overflow = {"otel.metric.overflow": True} if kind == "sdk" else {"id": "other"}
    assert found[series_key(kind, name, overflow)].record(b"").cells[0] == 850


def test_meters_of_all_workers_have_no_more_series_than_those_of_one():
    name = ["scope", "jobs", "1", "help", None]
    series = [Record(series_key("sdk", name, {"id": n}), n, 0, [1, 0]) for n in range(3_000)]
    assert len(total(series)) == 1_001


def test_the_applications_counters_are_created_when_the_first_of_them_was():
    key = series_key("app", ["sold", "counter", "help", []], {"kind": "pen"})
    (family,) = application_totals(total([Record(key, 1, 20_000_000_000, [3, 0])], [Record(key, 1, 10**10, [4, 0])]))
    assert {sample.name: sample.value for sample in family.samples} == {"sold_total": 7, "sold_created": 10}


@pytest.mark.parametrize("kind", ["sdk", "app"])
def test_instruments_of_the_applications_own_are_as_many_as_in_one_process(kind):
    names = [
        [f"jobs{n}", "counter", "help", []] if kind == "app" else ["scope", f"jobs{n}", "1", "help", None]
        for n in range(MAX_INSTRUMENTS + 50)
    ]
    found = total([Record(series_key(kind, name, {}), order, 0, [1, 0]) for order, name in enumerate(names)])
    assert [*found] == [series_key(kind, name, {}) for name in names[:MAX_INSTRUMENTS]]


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'["own","no such instrument",{}]',
        b'["own","application.errors",7]',
        b'["own","cache.operation.duration",{}]',
        b'["sdk","jobs",{}]',
        b'["sdk",["scope","jobs","1","help",[1,2]],{}]',
        b'["app",["sold","counter","help",[["_count",null]]],{}]',
        b'["another",["sold","counter","help",[]],{}]',
    ],
)
def test_what_no_worker_of_this_version_has_written_is_left_out(key):
    found = total([Record(key, 1, 2, [1, 0]), credits_purchased(3)])
    assert points(found) == {(): 3}
    assert [*application_totals(found)] == []


@pytest.mark.parametrize("count", [float("nan"), float("inf")])
def test_a_count_that_is_no_number_is_left_out(count):
    key = series_key("sdk", ["scope", "size", "1", "help", [5]], {})
    assert points(total([Record(key, 1, 2, [1, 0, count, 0]), credits_purchased(3)])) == {(): 3}


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [([float("inf"), 1], "inf"), ([1e308, 1e308], "inf"), ([float("nan"), 1], "nan"), ([float("inf"), 1e308], "inf")],
)
def test_amounts_that_are_infinite_or_too_large_are_shown_and_folded(amounts, expected):
    once = total(*([credits_purchased(amount)] for amount in amounts))
    again = total(folded(once), [credits_purchased(2)])
    assert [str(points(found)[()]) for found in (once, again)] == [expected, expected]


@pytest.mark.parametrize("published", [None, 7, [[1, 2]], [["key", 3]], [["key", [[1, 2, 3, "x"]]]], [["key", [[1]]]]])
def test_damaged_exemplars_are_left_out(published):
    found = {b"sound": [(1.0, 2, 3, 4)]}
    add_exemplars(found, published)
    assert found == {b"sound": [(1.0, 2, 3, 4)]}


def test_exemplars_are_shown_with_their_series():
    record = credits_purchased(3)
    data = metrics_data(total([record]), {record.key: [(3.0, 17, 1, 2)]})
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert [(one.value, one.time_unix_nano, one.span_id, one.trace_id) for one in point.exemplars] == [(3.0, 17, 1, 2)]
    assert json.loads(record.key)[0] == "own"
