"""What is replayed is what the SDK exports of a worker, and goes on counting."""

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.replay import Worker, recorded
from wxiai_otel.catalogue import BY_NAME

ROUTES = 3


@pytest.fixture(scope="module")
def export():
    return recorded(ROUTES)


def points(body):
    request = ExportMetricsServiceRequest.FromString(body)
    return {
        metric.name: list(getattr(metric, metric.WhichOneof("data")).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def instance(body):
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    return {item.key: item.value.string_value for item in resource.resource.attributes}["service.instance.id"]


def test_the_recording_is_of_requests_statements_cache_tasks_and_spans(export):
    found = points(export.metrics)
    assert set(found) <= set(BY_NAME)
    # Each route was asked by three roles, and once for what it does not have.
    assert len(found["http.server.request.duration"]) == ROUTES * 4
    assert {"db.client.operation.duration", "cache.operations", "ai.tasks", "credits.operations"} <= set(found)
    assert export.spans >= ROUTES * 4


def test_every_worker_is_an_instance_and_counts_up(export):
    one, other = Worker(export.metrics, 1), Worker(export.metrics, 2)
    first, second = points(one.export()), points(one.export())

    assert instance(one.export()) != instance(other.export())
    assert one.datapoints == sum(len(each) for each in first.values())
    for before, after in zip(
        first["http.server.request.duration"], second["http.server.request.duration"], strict=True
    ):
        assert after.time_unix_nano > before.time_unix_nano
        assert after.count >= before.count
        assert after.count == sum(after.bucket_counts)
    assert any(
        after.count > before.count
        for before, after in zip(
            first["http.server.request.duration"], second["http.server.request.duration"], strict=True
        )
    )
