"""The rules in a real Prometheus: all are evaluated, and the programs make the metrics that they name."""

import json
import os
import signal

import pytest

from stack.running import down, up
from tests.alerts.files import RULES
from tests.alerts.known import AFTER_LOSS, PIPELINE
from tests.otlp_json import counter, number, request
from tests.otlp_logs import logs, record
from tests.otlp_spans import new_trace, span, traces
from tests.servers.pipeline import Pipeline
from tests.until import until

pytestmark = pytest.mark.built

# Made by scraping and alerting, not by a program; their labels depend on what there is.
BY_PROMETHEUS = {"up", "scrape_duration_seconds", "ALERTS"}


@pytest.fixture(scope="module")
def busy(pipeline):
    """A pipeline through which metrics, spans and log records have gone."""
    sent = request({"service.name": "busy"}, ("x", [counter("orders", number(1))]))
    assert pipeline.send("metrics", sent) == 200
    assert pipeline.send("traces", traces({"service.name": "busy"}, span(new_trace(), failed=True))) == 200
    assert pipeline.send("logs", logs({"service.name": "busy"}, record("x"))) == 200
    return pipeline


@pytest.mark.parametrize("name", PIPELINE)
def test_the_pipelines_own_metrics_have_the_names_and_labels_that_are_known(busy, name):
    until(lambda: bool(busy.query(name)))
    labels = set().union(*(found["metric"] for found in busy.query(name))) - {"__name__"}
    assert labels <= PIPELINE[name]
    if name not in BY_PROMETHEUS:
        assert labels == PIPELINE[name]


def test_every_rule_is_evaluated_without_an_error(pipeline):
    def evaluated():
        groups = json.loads(pipeline.get("prometheus", "/api/v1/rules"))["data"]["groups"]
        return sorted((rule["name"], rule["health"], rule.get("lastError", "")) for g in groups for rule in g["rules"])

    # Groups with an interval of their own begin within it.
    expected = sorted((rule.name, "ok", "") for rule in RULES)
    until(evaluated, timeout=90, equals=expected)


@pytest.mark.timeout(240)
def test_what_the_collector_loses_is_alerted_on(tmp_path, monkeypatch):
    """These metrics are born at the first loss. The Collector gives up early, and has room for two requests."""
    monkeypatch.setenv("STACK_SPEED", "5")
    # The Collector takes no less.
    monkeypatch.setenv("COLLECTOR_JAEGER_RETRY", "30s")
    monkeypatch.setenv("COLLECTOR_LOGS_RETRY", "30s")
    monkeypatch.setenv("COLLECTOR_LOGS_EXPORTER", "otlp_http")
    monkeypatch.setenv("COLLECTOR_LOGS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("COLLECTOR_QUEUE_SIZE", "2")
    monkeypatch.setenv("STACK_TAIL_SAMPLING", "process")
    up(tmp_path, usual_ports=False)
    try:
        pipeline = Pipeline(tmp_path)
        os.kill(pipeline.state.processes["jaeger"].pid, signal.SIGKILL)
        resource = {"service.name": "lost"}

        def lost():
            pipeline.send("traces", traces(resource, *(span(new_trace()) for _ in range(200))))
            pipeline.send("logs", logs(resource, *(record("x") for _ in range(200))))
            return {name for name in AFTER_LOSS if pipeline.query(name)}

        until(lost, timeout=120, equals=set(AFTER_LOSS))
        seen = {name: frozenset(pipeline.query(name)[0]["metric"]) - {"__name__"} for name in AFTER_LOSS}
        assert seen == AFTER_LOSS
        firing = 'ALERTS{alertname="CollectorDropping", alertstate="firing"}'
        until(lambda: len(pipeline.query(firing)), equals=2)
    finally:
        down(tmp_path)
