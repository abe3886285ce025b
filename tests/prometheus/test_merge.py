"""What several workers have is added up as one process would have it."""

import json

import pytest
from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

from wxiai_otel.prometheus._merge import cumulative, merged, snapshot


def family(name, kind, *samples):
    metric = Metric(name, "help", kind)
    metric.samples = [Sample(*sample) if isinstance(sample, tuple) else sample for sample in samples]
    return metric


def taken(*families):
    """A snapshot as it arrives from another worker."""
    return json.loads(json.dumps(snapshot(families)))


def values(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def requests(value, created=None):
    samples = [("http_requests_total", {"method": "GET"}, value)]
    if created is not None:
        samples.append(("http_requests_created", {"method": "GET"}, created))
    return family("http_requests", "counter", *samples)


def test_counters_are_summed_over_workers_those_that_have_ended_included():
    found = merged([("a", taken(requests(3))), ("b", taken(requests(4)))], taken(requests(100)))
    assert values(found) == {("http_requests_total", (("method", "GET"),)): 107}


def test_a_counter_was_created_when_the_first_of_them_was():
    found = merged([("a", taken(requests(3, created=20.0))), ("b", taken(requests(4, created=10.0)))])
    assert values(found)[("http_requests_created", (("method", "GET"),))] == 10.0


def test_series_of_one_worker_only_are_kept():
    other = family("http_requests", "counter", ("http_requests_total", {"method": "PUT"}, 1))
    found = merged([("a", taken(requests(3))), ("b", taken(other))])
    assert len(found) == 1
    assert sum(values(found).values()) == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http_concurrent_connections", {(): 5}),
        ("active_users_current", {(): 3}),
        ("health_check_status", {(): 2}),
        ("db_connection_pool_usage", {(("instance", "a"),): 2, (("instance", "b"),): 3}),
        ("a_meter_of_the_applications", {(("instance", "a"),): 2, (("instance", "b"),): 3}),
    ],
)
def test_gauges_add_up_as_the_catalogue_says_and_are_of_live_workers_only(name, expected):
    def gauge(value):
        return taken(family(name, "gauge", (name, {}, value)))

    found = merged([("a", gauge(2)), ("b", gauge(3))], cumulative(gauge(99)))
    assert {labels: value for (_, labels), value in values(found).items()} == expected


def test_histograms_are_summed_bucket_by_bucket_and_stay_series_by_series():
    def histogram(route, *counts):
        bounds = ("0.1", "1.0", "+Inf")
        samples = [("h_bucket", {"route": route, "le": le}, n) for le, n in zip(bounds, counts, strict=True)]
        return [*samples, ("h_count", {"route": route}, counts[-1]), ("h_sum", {"route": route}, 1.5)]

    one = taken(family("h", "histogram", *histogram("/a", 1, 2, 3)))
    other = taken(family("h", "histogram", *histogram("/b", 1, 1, 1), *histogram("/a", 0, 5, 5)))
    (found,) = merged([("a", one), ("b", other)])

    assert values([found])[("h_bucket", (("le", "1.0"), ("route", "/a")))] == 7
    assert values([found])[("h_sum", (("route", "/a"),))] == 3.0
    assert [(s.name, s.labels["route"], s.labels.get("le")) for s in found.samples] == [
        (name, route, le)
        for route in ("/a", "/b")
        for name, le in (
            ("h_bucket", "0.1"),
            ("h_bucket", "1.0"),
            ("h_bucket", "+Inf"),
            ("h_count", None),
            ("h_sum", None),
        )
    ]


def test_of_two_exemplars_the_newer_one_is_kept():
    def bucket(trace, at):
        exemplar = Exemplar({"trace_id": trace}, 0.5, at)
        return taken(family("h", "histogram", Sample("h_bucket", {"le": "+Inf"}, 1, None, exemplar)))

    (found,) = merged([("a", bucket("new", 20.0)), ("b", bucket("old", 10.0))])
    assert found.samples[0].exemplar.labels == {"trace_id": "new"}
    assert found.samples[0].value == 2


def test_a_family_of_another_type_under_the_same_name_is_left_out():
    gauge = taken(family("http_requests", "gauge", ("http_requests", {}, 1)))
    found = merged([("a", taken(requests(3))), ("b", gauge)])
    assert values(found) == {("http_requests_total", (("method", "GET"),)): 3}


def test_a_gauge_of_the_application_that_has_an_instance_keeps_it():
    def gauge(value):
        return taken(family("disk", "gauge", ("disk", {"instance": "/dev/sda"}, value)))

    found = merged([("a", gauge(2)), ("b", gauge(3))])
    assert values(found) == {
        ("disk", (("exported_instance", "/dev/sda"), ("instance", "a"))): 2,
        ("disk", (("exported_instance", "/dev/sda"), ("instance", "b"))): 3,
    }
