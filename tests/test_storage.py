"""What is recorded in our storage is collected as the SDK's own storage would have it, by every reader."""

import os
import random
import threading

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tests.forks import forked
from tests.internals import SCOPE_NAME, Storage, storage_suffices
from wxiai_otel import setup_telemetry
from wxiai_otel.catalogue import INSTRUMENTS, Kind
from wxiai_otel.instruments import Instruments

MEASURED = [instrument for instrument in INSTRUMENTS if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM)]


def in_trace(trace_id: int, *, sampled: bool = True) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 7, False, flags)), Context())


class Pair:
    """The same measurements in our storage and in the SDK's."""

    def __init__(self, max_series: int = 1_000) -> None:
        self.storage = Storage()
        self._ours, self._theirs = InMemoryMetricReader(), InMemoryMetricReader()
        self._of_ours = Instruments(MeterProvider([self._ours]).get_meter(SCOPE_NAME), max_series, self.storage)
        self._of_theirs = Instruments(MeterProvider([self._theirs]).get_meter(SCOPE_NAME), max_series)
        for instruments in (self._of_ours, self._of_theirs):
            # As in a process, where there is always something that the SDK observes: it calls no reader without.
            instruments.observe("cache.size", lambda: [((), 1)])

    def record(self, name, value, values=(), context=None):
        for instruments in (self._of_ours, self._of_theirs):
            instruments[name].record(value, values, context)

    def ours(self, *age):
        return metrics(self.storage.added_to(self._ours.get_metrics_data(), *age))

    def theirs(self):
        return metrics(self._theirs.get_metrics_data())


def metrics(data: MetricsData):
    """Every metric, without what differs with the moment."""
    (resource,) = data.resource_metrics
    (scope,) = [found for found in resource.scope_metrics if found.scope.name == SCOPE_NAME]
    return {
        metric.name: {
            "description": metric.description,
            "unit": metric.unit,
            "kind": type(metric.data).__name__,
            "temporality": getattr(metric.data, "aggregation_temporality", None),
            "monotonic": getattr(metric.data, "is_monotonic", None),
            "points": {tuple(sorted(point.attributes.items())): facts(point) for point in metric.data.data_points},
        }
        for metric in scope.metrics
        if metric.name != "wxiai_otel.faults"  # of the process, not of a storage
    }


def facts(point):
    exemplars = [(one.value, one.trace_id, one.span_id) for one in point.exemplars]
    moments = ("start_time_unix_nano", "time_unix_nano", "exemplars", "attributes")
    fields = {field: getattr(point, field) for field in point.__dataclass_fields__ if field not in moments}
    if "bucket_counts" in fields:
        fields |= {field: tuple(fields[field]) for field in ("bucket_counts", "explicit_bounds")}
    return {**fields, "types": [type(fields.get(name)) for name in ("value", "sum")], "exemplars": sorted(exemplars)}


@pytest.mark.parametrize("instrument", MEASURED, ids=lambda instrument: instrument.name)
def test_measurements_add_up_as_the_sdks_do(instrument):
    pair, chance = Pair(max_series=8), random.Random(instrument.name)
    bounds = instrument.buckets or (1, 5)
    for number in range(500):
        # On the bounds and between them, whole numbers and others, more series than there is room for.
        value = chance.choice((0, 3, *bounds, bounds[0] / 2, bounds[-1] * 2))
        values = tuple(f"v{chance.randrange(4)}" for _ in instrument.attributes)
        pair.record(instrument.name, value, values, in_trace(number + 1, sampled=False))
    assert pair.ours() == pair.theirs()


def test_whole_numbers_stay_whole():
    pair = Pair()
    pair.record("db.deadlocks", 2, ("pool",))
    (point,) = pair.ours()["db.deadlocks"]["points"].values()
    assert (point["value"], point["types"][0]) == (2, int)


@pytest.mark.parametrize("value", [-1, -0.5])
@pytest.mark.parametrize("name", ["db.deadlocks", "cache.operation.duration"])
def test_what_is_below_0_is_not_recorded(name, value, caplog):
    pair = Pair()
    pair.record("credits.purchased", 1)
    pair.record(name, value, ("x",))
    assert pair.ours() == pair.theirs()
    assert f"{name}: {value} is not recorded; allowed are numbers from 0" in caplog.messages


def test_nothing_poisons_a_sum():
    pair = Pair()
    pair._of_ours["credits.purchased"].record(1)
    pair._of_ours["credits.purchased"].record(float("nan"))
    (point,) = pair.ours()["credits.purchased"]["points"].values()
    assert point["value"] == 1


def test_exemplars_are_the_last_of_each_bucket_in_sampled_traces():
    pair = Pair()
    for number, value in enumerate((0.0001, 0.0002, 0.03, 7), 1):
        pair.record("cache.operation.duration", value, ("get",), in_trace(number))
    pair.record("cache.operation.duration", 0.0003, ("get",), in_trace(9, sampled=False))
    (point,) = pair.ours()["cache.operation.duration"]["points"].values()
    assert point["exemplars"] == [(0.0002, 2, 7), (0.03, 3, 7), (7, 4, 7)]
    assert pair.ours()["cache.operation.duration"] == pair.theirs()["cache.operation.duration"]


def test_the_current_span_is_the_exemplar_where_no_context_is_given():
    from opentelemetry.context import attach, detach

    pair = Pair()
    token = attach(in_trace(5))
    pair.record("credits.purchased", 1)
    detach(token)
    (point,) = pair.ours()["credits.purchased"]["points"].values()
    assert point["exemplars"] == [(1, 5, 7)]


def test_each_reader_has_the_exemplars_for_as_long_as_it_wants():
    pair = Pair()
    pair.record("credits.purchased", 1, (), in_trace(5))

    def exemplars(*age):
        (point,) = pair.ours(*age)["credits.purchased"]["points"].values()
        return len(point["exemplars"])

    assert [exemplars(), exemplars(3_600.0), exemplars(), exemplars(0.0)] == [1, 1, 1, 0]


def test_a_series_begins_with_its_first_measurement():
    pair = Pair()
    pair.record("db.slow_queries", 1, ("one", "SELECT"))
    pair.record("db.slow_queries", 1, ("two", "SELECT"))
    data = pair.storage.added_to(pair._ours.get_metrics_data())
    first, second = (
        point
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "db.slow_queries"
        for point in metric.data.data_points
    )
    assert first.start_time_unix_nano < second.start_time_unix_nano < first.time_unix_nano


def test_n_threads_are_n_times_the_count_while_readers_read():
    pair = Pair()
    ended = threading.Event()
    seen = []

    def read():
        while not ended.is_set():
            points = pair.ours().get("cache.operation.duration", {"points": {}})["points"]
            seen.extend((point["count"], sum(point["bucket_counts"]), point["sum"]) for point in points.values())

    def work():
        for number in range(20_000):
            pair._of_ours["cache.operation.duration"].record(0.25, (("get", "set")[number % 2],))

    reader, threads = threading.Thread(target=read), [threading.Thread(target=work) for _ in range(4)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    reader.join()
    points = pair.ours()["cache.operation.duration"]["points"]
    assert [point["count"] for point in points.values()] == [40_000, 40_000]
    assert all(count == in_buckets == total / 0.25 for count, in_buckets, total in seen)


def test_a_measurement_may_be_made_within_another():
    """The garbage collector runs finalizers anywhere, and one of them may end a database connection of ours."""
    pair = Pair()
    recorder = pair._of_ours["cache.operation.duration"]

    class Recording(float):
        def __radd__(self, other):
            recorder.record(1.0, ("get",))
            return other + float(self)

    thread = threading.Thread(target=recorder.record, args=(Recording(2.0), ("get",)), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    (point,) = pair.ours()["cache.operation.duration"]["points"].values()
    assert point["count"] == 2


def test_a_forked_child_counts_from_0():
    """What its parent has counted is told by the parent: sent twice, it would be counted twice."""
    pair = Pair()
    pair._of_ours["credits.purchased"].record(3)
    pair._of_ours["cache.operation.duration"].record(0.1, ("get",))

    def child():
        before = pair.ours()
        pair._of_ours["credits.purchased"].record(5)
        (purchased,) = before["credits.purchased"]["points"].values()
        after = [point["value"] for point in pair.ours()["credits.purchased"]["points"].values()]
        return purchased["value"], purchased["exemplars"], "cache.operation.duration" in before, after

    assert forked(child) == "(0, [], False, [5])"
    assert [point["value"] for point in pair.ours()["credits.purchased"]["points"].values()] == [3]


def test_a_thread_that_creates_a_series_at_the_fork_does_not_block_the_child():
    recorder = Pair()._of_ours["cache.operation.duration"]
    make, held, done = recorder.series._make, threading.Event(), threading.Event()

    def hold(attributes):
        held.set()
        done.wait(60)
        return make(attributes)

    recorder.series._make = hold
    thread = threading.Thread(target=recorder.record, args=(1, ("get",)))
    thread.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        recorder.series._make = make
        recorder.record(1, ("get",))
        (kept,) = recorder.series.all()
        os._exit(0 if sum(kept.bucket_counts) == 1 else 1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    (kept,) = recorder.series.all()
    assert sum(kept.bucket_counts) == 1


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", "delta"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "explicit_bucket_histogram",
            "base2_exponential_bucket_histogram",
        ),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based", "always_off"),
    ],
)
def test_what_the_environment_asks_for_beyond_that_is_done_by_the_sdk(monkeypatch, name, usual, other):
    monkeypatch.setenv(name, usual.upper())
    assert storage_suffices()
    monkeypatch.setenv(name, other)
    assert not storage_suffices()


@pytest.mark.parametrize("preference", ["cumulative", "delta"])
def test_the_embedded_endpoint_shows_it_either_way(monkeypatch, preference):
    from fastapi import FastAPI

    from tests.scrape import scrape
    from wxiai_otel import record_credits

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint="http://127.0.0.1:1")
    for _ in range(2):
        record_credits("consume", 5, service="flux")
        scrape(telemetry)
    assert scrape(telemetry).value("credits_consumed_total", service="flux") == 10
