"""Instruments come from the catalogue, and none has more series than the setting allows."""

import threading

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from wxiai_otel.catalogue import INSTRUMENTS, Kind
from wxiai_otel.instruments import Instruments


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def instruments(reader):
    return Instruments(MeterProvider([reader]).get_meter("test"), max_series=3)


def points(reader, name):
    data = reader.get_metrics_data()
    return {
        tuple(sorted(point.attributes.items())): point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    }


def test_every_counter_and_histogram_of_the_catalogue_can_be_recorded(instruments, reader):
    for instrument in INSTRUMENTS:
        if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM):
            instruments[instrument.name].record(1, tuple("x" for _ in instrument.attributes))
    recorded = {
        metric.name for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics for metric in scope.metrics
    }
    assert recorded >= {i.name for i in INSTRUMENTS if i.kind in (Kind.COUNTER, Kind.HISTOGRAM)}


def test_values_are_the_attributes_in_the_catalogues_order_and_none_is_left_out(instruments, reader):
    instruments["db.client.operation.duration"].record(0.2, ("users", "SELECT", "sqlite", None))
    ((attributes, point),) = points(reader, "db.client.operation.duration").items()
    assert dict(attributes) == {
        "db.collection.name": "users",
        "db.operation.name": "SELECT",
        "db.system.name": "sqlite",
    }
    assert (point.count, point.sum) == (1, 0.2)


def test_a_histogram_has_the_catalogues_buckets(instruments, reader):
    instruments["cache.operation.duration"].record(0.2, ("get",))
    (point,) = points(reader, "cache.operation.duration").values()
    assert tuple(point.explicit_bounds) == (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


def test_beyond_the_bound_everything_is_one_series_and_is_counted(instruments, reader):
    for n in range(10):
        instruments["db.slow_queries"].record(1, (f"table{n}", "SELECT"))
    instruments["db.slow_queries"].record(1, ("table0", "SELECT"))
    found = {dict(key)["table"]: point.value for key, point in points(reader, "db.slow_queries").items()}
    assert found == {"table0": 2, "table1": 1, "table2": 1, "other": 7}
    (refused,) = points(reader, "wxiai_otel.series.refused").values()
    assert refused.value == 7


def test_the_wrong_number_of_values_is_an_error(instruments):
    with pytest.raises(ValueError, match="zip"):
        instruments["db.slow_queries"].record(1, ("table",))


def test_an_unknown_instrument_is_an_error(instruments):
    with pytest.raises(KeyError):
        instruments["nobody"]


def test_n_threads_are_n_times_the_count(instruments, reader):
    def work():
        for _ in range(1000):
            instruments["db.deadlocks"].record(1, ("pool",))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (point,) = points(reader, "db.deadlocks").values()
    assert point.value == 8000


def test_an_observed_instrument_is_asked_at_each_collection(instruments, reader):
    values = iter((1, 2))
    instruments.observe("cache.size", lambda: [((), next(values))])
    assert [point.value for point in points(reader, "cache.size").values()] == [1]
    assert [point.value for point in points(reader, "cache.size").values()] == [2]


@pytest.mark.faulty
def test_an_observation_that_fails_does_not_take_the_others_with_it(reader):
    instruments = Instruments(MeterProvider([reader]).get_meter("test"), max_series=1000)

    def broken():
        raise RuntimeError("broken")

    instruments.observe("cache.size", broken)
    instruments.observe("websocket.connections", lambda: [((), 4)])
    assert [point.value for point in points(reader, "websocket.connections").values()] == [4]
    faults = points(reader, "wxiai_otel.faults")
    assert any(dict(key)["site"] == "observe.cache.size" for key in faults)


def test_a_value_that_no_exporter_could_write_is_recorded_as_one_that_each_can(instruments, reader):
    instruments["payment.failures"].record(1, ("a\udc80\x01b", "TimeoutError"))
    assert [dict(key)["channel"] for key in points(reader, "payment.failures")] == ["a\\udc80\\x01b"]


class TestAnOpenVocabulary:
    """Of payment channels, for one: 50 words, none longer than 128 characters; any other is one word."""

    def channels(self, reader, name="payment.failures", key="channel"):
        found = {}
        for labels, point in points(reader, name).items():
            word = dict(labels).get(key)
            found[word] = found.get(word, 0) + point.value
        return found

    @pytest.fixture
    def roomy(self, reader):
        return Instruments(MeterProvider([reader]).get_meter("test"), max_series=10_000)

    def test_ends_with_its_limit_and_counts_everything(self, roomy, reader):
        for _ in range(2):
            for n in range(80):
                roomy["payment.failures"].record(1, (f"channel{n}", "declined"))
        found = self.channels(reader)
        assert found == {**{f"channel{n}": 2 for n in range(50)}, "other": 60}

    def test_has_room_for_nothing_and_other_beside_its_words(self, roomy, reader):
        words = (None, "other", *(f"channel{n}" for n in range(50)), "one too many")
        for word in words:
            roomy["payment.failures"].record(1, (word, "declined"))
        found = self.channels(reader)
        assert len(found) == 52
        assert (found[None], found["other"], found["channel49"]) == (1, 2, 1)

    def test_takes_no_word_that_is_too_long(self, roomy, reader):
        roomy["payment.failures"].record(1, ("x" * 128, "declined"))
        roomy["payment.failures"].record(1, ("y" * 129, "declined"))
        assert self.channels(reader) == {"x" * 128: 1, "other": 1}

    def test_is_of_one_attribute_and_one_instrument(self, roomy, reader):
        for n in range(60):
            roomy["payment.failures"].record(1, (f"channel{n}", f"error{n}"))
        roomy["login.failures"].record(1, ("channel59",))
        assert len(self.channels(reader, key="error.type")) == 60
        assert self.channels(reader, "login.failures", "reason") == {"channel59": 1}

    def test_does_not_grow_with_what_it_refuses_and_counts_it(self, roomy):
        for n in range(5000):
            roomy["payment.failures"].record(1, (f"channel{n}", "declined"))
        series = roomy["payment.failures"].series
        assert len(series._found) == 51
        assert len(series._vocabularies[0]._words) == 52
        assert series.refused == 4950

    def test_is_bounded_for_many_threads_and_exact(self, roomy, reader):
        def work(thread):
            for n in range(500):
                roomy["payment.failures"].record(1, (f"channel{(n + thread) % 200}", "declined"))

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = self.channels(reader)
        assert len(found) == 51
        assert sum(found.values()) == 4000
