"""What only Prometheus itself can show: series born at one, exemplars, and the pipeline's own metrics."""

import json
import time
import urllib.parse

import pytest

from tests.otlp_json import buckets, counter, histogram, number, request
from tests.otlp_spans import new_trace
from tests.until import until

pytestmark = pytest.mark.built

ROUTE = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 500}


def test_a_series_born_at_one_has_increased(pipeline, job):
    """Otherwise an alert on the first payment that fails never fires."""
    now = time.time_ns()
    failure = number(1, {"channel": "alipay", "error.type": "Timeout"}, start=now - 10**9, now=now)
    requests = buckets([1, *[0] * 14], 0.1, ROUTE, start=now - 10**9, now=now)
    for scope, metric in (
        ("wxiai_otel", counter("payment.failures", failure)),
        ("http", histogram("http.server.request.duration", requests)),
    ):
        assert pipeline.send("metrics", request({"service.name": job}, (scope, [metric]))) == 200

    for name in ("payment_failures_total", "http_requests_total", "http_request_duration_seconds_count"):
        expression = f'increase({name}{{job="{job}"}}[5m]) > 0.9'
        until(lambda asked=expression: len(pipeline.query(asked)), equals=1)


def test_an_exemplar_leads_from_a_bucket_to_its_trace(pipeline, job):
    trace_id = new_trace()
    exemplar = {
        "timeUnixNano": str(time.time_ns()),
        "asDouble": 3.0,
        "spanId": "00f067aa0ba902b7",
        "traceId": trace_id,
        "filteredAttributes": [],
    }
    # Two points that are added up.
    points = [
        {**buckets([0] * 11 + [1, 0, 0, 0], 3.0, ROUTE), "exemplars": [exemplar]},
        buckets([1] * 15, 1.0, {**ROUTE, "error.type": "500"}),
    ]
    sent = request({"service.name": job}, ("http", [histogram("http.server.request.duration", *points)]))
    assert pipeline.send("metrics", sent) == 200

    asked = {
        "query": f'http_request_duration_seconds_bucket{{job="{job}"}}',
        "start": time.time() - 600,
        "end": time.time() + 600,
    }

    def found():
        data = json.loads(pipeline.get("prometheus", f"/api/v1/query_exemplars?{urllib.parse.urlencode(asked)}"))[
            "data"
        ]
        return {
            (series["seriesLabels"]["endpoint"], one["labels"]["trace_id"])
            for series in data
            for one in series["exemplars"]
        }

    until(found, equals={("/a", trace_id)})


def test_the_pipeline_can_be_alerted_on(pipeline):
    jobs = {"applications", "collector", "prometheus", "alertmanager", "jaeger", "bridge"}
    seen = until(lambda: {found["metric"]["job"] for found in pipeline.query("up == 1")}, equals=jobs)
    assert seen == jobs
    for name in (
        "otelcol_receiver_accepted_metric_points",
        "otelcol_exporter_sent_metric_points",
        "otelcol_process_uptime",
        "prometheus_tsdb_head_series",
        "alertmanager_alerts",
    ):
        until(lambda asked=name: bool(pipeline.query(asked)))


def test_an_applications_job_and_instance_are_its_own(pipeline, job):
    resource = {"service.name": job, "service.namespace": "shop", "service.instance.id": "7"}
    assert pipeline.send("metrics", request(resource, ("x", [counter("orders", number(1))]))) == 200

    expression = f'orders_total{{job="shop/{job}"}}'
    until(lambda: len(pipeline.query(expression)), equals=1)
    assert pipeline.query(expression)[0]["metric"] == {
        "__name__": "orders_total",
        "job": f"shop/{job}",
        "instance": "7",
    }


def test_prometheus_tells_alertmanager(pipeline):
    found = json.loads(pipeline.get("prometheus", "/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
    assert [one["url"] for one in found] == [f"{pipeline.url('alertmanager')}/api/v2/alerts"]
