"""This SDK's series become the contract's one to one; where they would come out alike they are added up."""

import pytest

from tests.otlp_json import buckets, counter, gauge, histogram, number, request

pytestmark = pytest.mark.built

TASK = {"service": "flux", "status": "success", "user.role": "vip"}
WITHOUT_ROLE = {"service": "flux", "status": "success"}


def tasks(pipeline, job, *attribute_sets):
    """The series of ai_tasks_total, of points that count 3, 4, 5 ..."""
    points = [number(value, attributes) for value, attributes in enumerate(attribute_sets, 3)]
    sent = request({"service.name": job}, ("wxiai_otel", [counter("ai.tasks", *points)]))
    assert pipeline.send("metrics", sent) == 200
    return pipeline.exposition(job).series("ai_tasks_total", "service", "status", "user_role")


def test_series_with_all_attributes_are_as_they_are(pipeline, job):
    assert tasks(pipeline, job, TASK, {**TASK, "service": "kling"}, WITHOUT_ROLE) == {
        ("flux", "success", "vip"): 3,
        ("kling", "success", "vip"): 4,
        ("flux", "success", "anonymous"): 5,
    }


@pytest.mark.parametrize(
    ("points", "label"),
    [
        # What is missing, empty, or named as what is missing.
        ((WITHOUT_ROLE, {**TASK, "user.role": "anonymous"}), ("flux", "success", "anonymous")),
        ((WITHOUT_ROLE, {**TASK, "user.role": ""}), ("flux", "success", "anonymous")),
        (({**TASK, "service": ""}, {**TASK, "service": "other"}), ("other", "success", "vip")),
        (({"status": "success", "user.role": "vip"}, {**TASK, "service": "other"}), ("other", "success", "vip")),
        # What is no text.
        (({**TASK, "service": 5}, {**TASK, "service": "5"}), ("5", "success", "vip")),
        (({**TASK, "user.role": 5}, {**TASK, "user.role": "5"}), ("flux", "success", "5")),
        # What is no label.
        ((TASK, {**TASK, "more": "x"}), ("flux", "success", "vip")),
        # A label's own name, which is not believed.
        ((TASK, {**TASK, "user_role": "admin"}), ("flux", "success", "vip")),
    ],
)
def test_series_that_come_out_alike_are_added_up(pipeline, job, points, label):
    assert tasks(pipeline, job, *points) == {label: 7}


def test_whole_numbers_and_others_are_added_up(pipeline, job):
    points = number(3, {"pool": "5"}), number(0.5, {"pool": 5})
    assert (
        pipeline.send(
            "metrics", request({"service.name": job}, ("wxiai_otel", [gauge("db.connection_pool.usage", *points)]))
        )
        == 200
    )

    assert pipeline.exposition(job).series("db_connection_pool_usage", "pool") == {("5",): 3.5}


def test_histograms_are_added_up_with_their_buckets(pipeline, job):
    bounds = (1, 5, 10, 30, 60, 120, 300, 600, 1200)
    points = [buckets([1] * 10, 2.0, {"service": service, "mode": "fast"}, bounds) for service in ("", "other")]
    sent = histogram("ai.task.duration", *points)
    assert pipeline.send("metrics", request({"service.name": job}, ("wxiai_otel", [sent]))) == 200

    seen = pipeline.exposition(job)
    assert seen.value("ai_task_duration_seconds_bucket", service="other", mode="fast", le="5") == 4
    assert seen.value("ai_task_duration_seconds_sum", service="other", mode="fast") == 4.0
