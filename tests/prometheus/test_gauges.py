"""Gauges of several workers are combined as the catalog states."""

import json

import pytest
from prometheus_client import Metric

from tests.prometheus.internals import _gauges


def published(name: str, value: float, labels: dict[str, str] | None = None, kind: str = "gauge") -> list:
    """A gauge as it arrives from another worker."""
    metric = Metric(name, "help", kind)
    metric.add_sample(name, labels or {}, value)
    return json.loads(json.dumps(_gauges.snapshot([metric])))


def combined(workers):
    """What the workers have published, in one."""
    found = {}
    for instance, families in workers:
        _gauges.add(found, instance, families)
    return _gauges.combined(found)


def values(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http_concurrent_connections", {(): 5}),
        ("active_users_current", {(): 3}),
        ("health_check_status", {(): 2}),
        ("db_connection_pool_usage", {(("instance", "a"),): 2, (("instance", "b"),): 3}),
        ("a_meter_of_the_application", {(("instance", "a"),): 2, (("instance", "b"),): 3}),
    ],
)
def test_the_catalog_states_how_workers_combine(name, expected):
    found = combined([("a", published(name, 2)), ("b", published(name, 3))])
    assert {labels: value for (_, labels), value in values(found).items()} == expected


def test_series_of_one_worker_are_kept():
    one, other = (published("cpu", value, {"core": str(value)}) for value in (1, 2))
    found = combined([("a", one), ("a", other)])
    assert len(found) == 1
    assert sorted(values(found).values()) == [1, 2]


def test_a_family_with_the_name_of_another_type_is_left_out():
    found = combined([("a", published("disk", 2)), ("b", published("disk", 3, kind="unknown"))])
    assert values(found) == {("disk", (("instance", "a"),)): 2}


def test_an_instance_label_of_the_application_is_renamed():
    disks = [published("disk", value, {"instance": "/dev/sda"}) for value in (2, 3)]
    assert values(combined(zip("ab", disks, strict=True))) == {
        ("disk", (("exported_instance", "/dev/sda"), ("instance", "a"))): 2,
        ("disk", (("exported_instance", "/dev/sda"), ("instance", "b"))): 3,
    }


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        7,
        "text",
        {"a": 1},
        [[1, 2, 3, 4, 5]],
        [["cpu"]],
        [["cpu", "gauge", "help", "sum", 7]],
        [["cpu", "gauge", "help", "sum", [["cpu", [], 1]]]],
        [["cpu", "gauge", "help", "sum", [["cpu", {}, "much"]]]],
        [["cpu", "gauge", "help", "average", [["cpu", {}, 1]]]],
        [["cpu", "no type", "help", "sum", [["cpu", {}, 1]]]],
    ],
)
def test_a_damaged_publication_takes_no_other_with_it(damaged):
    workers = [("a", published("cpu", 2)), ("b", damaged), ("c", published("cpu", 3))]
    found = {labels: value for (name, labels), value in values(combined(workers)).items() if name == "cpu"}
    assert found[("instance", "a"),] == 2
    assert found[("instance", "c"),] == 3
