"""An OpenTelemetry web application without this SDK gets the HTTP part of the contract."""

import time

import pytest

from tests.otlp_json import DEFAULT_BOUNDS, DELTA, buckets, counter, gauge, histogram, number, request

pytestmark = pytest.mark.built

NAME = "http.server.request.duration"
NODE = "@opentelemetry/instrumentation-http"
LE = ("0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")


def node(job, **more):
    """As @opentelemetry/sdk-node names an application: no instance id, but a host and a process."""
    return {
        "service.name": job,
        "host.name": "box",
        "process.pid": 4711,
        "process.command_args": ["node", "server.js"],
        "telemetry.sdk.language": "nodejs",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "2.2.0",
        **more,
    }


def java(job):
    """As the Java agent does."""
    return {
        "service.name": job,
        "service.instance.id": "0a1b",
        "telemetry.sdk.language": "java",
        "telemetry.distro.name": "opentelemetry-java-instrumentation",
    }


def of(route=None, status=200, **more):
    found = {
        "http.request.method": "GET",
        "http.response.status_code": status,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
        **more,
    }
    return found if route is None else {**found, "http.route": route}


ONE_EACH = [1] * 15


def test_nodes_default_buckets_come_out_as_the_contracts(pipeline, job):
    sent = histogram(NAME, buckets(ONE_EACH, 31.5, of("/users/:id")))
    assert pipeline.send("metrics", request(node(job), (NODE, [sent]))) == 200

    seen = pipeline.exposition(job)
    assert seen.series("http_request_duration_seconds_bucket", "method", "endpoint", "le") == {
        ("GET", "/users/:id", le): count for le, count in zip(LE, (2, 4, 6, 7, 8, 10, 11, 12, 14, 15), strict=True)
    }
    assert seen.value("http_request_duration_seconds_sum") == 31.5
    assert seen.value("http_request_duration_seconds_count") == 15
    assert seen.series("http_requests_total", "method", "endpoint", "status_code", "user_role") == {
        ("GET", "/users/:id", "200", "anonymous"): 15
    }


def test_only_the_contracts_series_and_labels_come_of_it(pipeline, job):
    sent = histogram(NAME, buckets(ONE_EACH, 31.5, of("/", **{"server.address": "localhost", "error.type": "x"})))
    active = counter("http.server.active_requests", number(3, of()), number(1, of(x="y")), monotonic=False)
    assert pipeline.send("metrics", request(node(job), (NODE, [sent, active]))) == 200

    labels = {sample.name: set(sample.labels) for sample in pipeline.exposition(job).samples}
    del labels["target_info"]
    assert labels == {
        "http_requests_total": {"method", "endpoint", "status_code", "user_role"},
        "http_request_duration_seconds_bucket": {"method", "endpoint", "le"},
        "http_request_duration_seconds_count": {"method", "endpoint"},
        "http_request_duration_seconds_sum": {"method", "endpoint"},
        "http_concurrent_connections": set(),
    }
    assert pipeline.exposition(job).value("http_concurrent_connections") == 4


def test_a_missing_route_is_unmatched_and_an_unknown_method_other(pipeline, job):
    points = (
        buckets(ONE_EACH, 1.0, of(status=404)),
        buckets(ONE_EACH, 1.0, of("", status=404)),
        buckets(ONE_EACH, 1.0, {**of("/a"), "http.request.method": "_OTHER"}),
        buckets(ONE_EACH, 1.0, {**of("/a"), "http.request.method": "BREW"}),
        buckets(ONE_EACH, 1.0, {}),
    )
    assert pipeline.send("metrics", request(node(job), (NODE, [histogram(NAME, *points)]))) == 200

    assert pipeline.exposition(job).series("http_requests_total", "method", "endpoint", "status_code") == {
        ("GET", "unmatched", "404"): 30,
        ("other", "/a", "200"): 30,
        ("unknown", "unmatched", "unknown"): 15,
    }


def test_attributes_of_the_application_named_like_labels_are_not_believed(pipeline, job):
    points = buckets(ONE_EACH, 1.0, of("/a", endpoint="/made-up", status_code="999", user_role="admin", method="PUT"))
    assert pipeline.send("metrics", request(node(job), (NODE, [histogram(NAME, points)]))) == 200

    assert pipeline.exposition(job).series("http_requests_total", "method", "endpoint", "status_code", "user_role") == {
        ("GET", "/a", "200", "anonymous"): 15
    }


def test_the_same_request_metric_of_several_scopes_is_added_up(pipeline, job):
    now = time.time_ns()
    tomcat = ("io.opentelemetry.tomcat-10.0", [histogram(NAME, buckets(ONE_EACH, 1.0, of("/a"), now=now))])
    netty = ("io.opentelemetry.netty-4.1", [histogram(NAME, buckets(ONE_EACH, 2.0, of("/a"), now=now))])
    assert pipeline.send("metrics", request(java(job), tomcat, netty)) == 200

    seen = pipeline.exposition(job)
    assert seen.value("http_requests_total") == 30
    assert seen.value("http_request_duration_seconds_sum") == 3.0


def test_javas_older_buckets_that_begin_with_zero_are_merged_too(pipeline, job):
    sent = histogram(NAME, buckets([0, *ONE_EACH], 31.5, of("/a"), bounds=(0, *DEFAULT_BOUNDS)))
    assert pipeline.send("metrics", request(java(job), ("io.opentelemetry.tomcat-10.0", [sent]))) == 200

    assert pipeline.exposition(job).value("http_request_duration_seconds_bucket", le="0.01") == 2


def test_other_buckets_leave_the_requests_and_no_durations(pipeline, job):
    sent = histogram(NAME, buckets([1, 2, 3], 4.0, of("/a"), bounds=(1, 2)), buckets(ONE_EACH, 4.0, of("/b")))
    assert pipeline.send("metrics", request(java(job), ("io.opentelemetry.tomcat-10.0", [sent]))) == 200

    seen = pipeline.exposition(job)
    assert seen.series("http_requests_total", "endpoint") == {("/a",): 6, ("/b",): 15}
    assert seen.series("http_request_duration_seconds_count", "endpoint") == {("/b",): 15}


def test_deltas_are_counted_up(pipeline, job):
    """As .NET and Java do with OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta."""
    begin = time.time_ns()
    for number_of_export in range(3):
        times = {"start": begin + number_of_export * 10**9, "now": begin + (number_of_export + 1) * 10**9}
        points = [buckets(ONE_EACH, 2.0, of("/a"), **times)]
        if number_of_export != 1:
            points.append(buckets(ONE_EACH, 2.0, of("/a", status=500, **{"error.type": "500"}), **times))
        sent = histogram(NAME, *points, temporality=DELTA)
        assert pipeline.send("metrics", request(java(job), ("Microsoft.AspNetCore.Hosting", [sent]))) == 200

    seen = pipeline.exposition(job)
    assert seen.series("http_requests_total", "status_code") == {("200",): 45, ("500",): 30}
    assert seen.value("http_request_duration_seconds_count") == 75
    assert seen.value("http_request_duration_seconds_sum") == 10.0


def test_two_processes_of_one_application_are_two_instances(pipeline, job):
    for pid in (1, 2):
        sent = histogram(NAME, buckets(ONE_EACH, 1.0, of("/a")))
        assert pipeline.send("metrics", request(node(job, **{"process.pid": pid}), (NODE, [sent]))) == 200

    found = {
        sample.labels["instance"]: sample.value
        for sample in pipeline.exposition().samples
        if sample.name == "http_requests_total" and sample.labels["job"] == job
    }
    assert found == {"box:1": 15, "box:2": 15}


def test_an_applications_own_metrics_pass_as_they_are(pipeline, job):
    metrics = [
        counter("orders", number(7, {"kind": "book"}), unit="{order}"),
        gauge("queue.depth", number(2.5, {"queue.name": "a"})),
        histogram("render.time", buckets([1, 2], 3.0, {}, bounds=(1,))),
        counter("http.server.request.size", number(3), unit="By"),
    ]
    assert pipeline.send("metrics", request(node(job), ("shop", metrics))) == 200

    seen = pipeline.exposition(job)
    assert seen.series("orders_total", "kind") == {("book",): 7}
    assert seen.series("queue_depth", "queue_name") == {("a",): 2.5}
    assert seen.series("render_time_seconds_bucket", "le") == {("1",): 1, ("+Inf",): 3}
    assert seen.value("http_server_request_size_bytes_total") == 3


def test_old_names_are_no_contract_series(pipeline, job):
    old = {"http.method": "GET", "http.route": "/a", "http.status_code": 200, "http.scheme": "http"}
    metrics = [
        histogram("http.server.duration", buckets([1, 2], 3.0, old, bounds=(100,)), unit="ms"),
        counter("http.server.active_requests.old", number(3, old), monotonic=False),
    ]
    assert pipeline.send("metrics", request(node(job), (NODE, metrics))) == 200

    assert pipeline.names(job) == {
        "http_server_duration_milliseconds_bucket",
        "http_server_duration_milliseconds_count",
        "http_server_duration_milliseconds_sum",
        "http_server_active_requests_old",
    }
