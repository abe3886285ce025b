"""Every query of every panel, asked of Prometheus as Grafana asks it, under the demo's traffic."""

import json
import math
import urllib.parse

import pytest

from dashboards.files import UIDS, load, panels, variables
from dashboards.variables import Window, replaced
from tests.alerts.files import RECORDING_RULES
from tests.integration.promql import groupings, parsed, selectors
from tests.servers.demo import ended, number, submitted
from wxiai_otel.catalogue import CONTRACT, RULE_METRICS, Across

# The first one starts what others share, which may take long beside them.
pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

EVERY = [pytest.param(uid, panel, id=f"{uid}-{panel['title']}") for uid in UIDS for panel in panels(load(uid))]

# Where nothing is as it should be.
HEALTHY_IS_EMPTY = {("wxiai-pipeline", "触发中的告警一览"): "no alert fires"}
# So many can be told apart.
MOST_SERIES = {"stat": 1, "timeseries": 8, "piechart": 10, "bargauge": 12, "heatmap": 12, "table": 20}

# Metrics of the pipeline, which are not in the catalogue; and those that are there only once something failed, or where
# there are rules.
OTHERS = ("otelcol_", "prometheus_", "alertmanager_", "wxiai_bridge_", "process_", "scrape_", "up", "ALERTS")
NOT_FROM_THE_START = {
    "otelcol_exporter_send_failed_metric_points",
    "otelcol_exporter_send_failed_spans",
    "otelcol_exporter_enqueue_failed_metric_points",
    "otelcol_exporter_enqueue_failed_spans",
    "otelcol_receiver_accepted_log_records",
    "otelcol_receiver_refused_log_records",
    "otelcol_exporter_send_failed_log_records",
    "otelcol_exporter_enqueue_failed_log_records",
    "prometheus_rule_evaluation_failures_total",
    "wxiai_bridge_attempts_total",
    "wxiai_bridge_folded_messages_total",
    "wxiai_bridge_queue_length",
    "wxiai_bridge_held_messages",
    "ALERTS",
}
# What rules record besides the contract's metrics, by the labels that their names begin with.
RECORDED = {rule.name: set(rule.name.split(":")[0].split("_")) for rule in RECORDING_RULES if ":" in rule.name}
# Aggregations that choose series and do not add them up.
CHOOSING = {"topk", "count"}


def asked(uid: str, target: dict, job: str, window: Window) -> str:
    chosen = {name: [] for name in variables(load(uid))} | {"job": [job]}
    return replaced(target["expr"], chosen, window)


def answer(pipeline, target: dict, query: str, window: Window) -> list[list[float]]:
    """The values of each series, without those that are no number."""
    if target.get("instant"):
        found = [[one["value"]] for one in pipeline.query(query, window.end)]
    else:
        parameters = {"query": query, "start": window.start, "end": window.end, "step": window.step}
        got = json.loads(pipeline.get("prometheus", f"/api/v1/query_range?{urllib.parse.urlencode(parameters)}"))
        assert got["status"] == "success", got
        found = [one["values"] for one in got["data"]["result"]]
    return [[float(value) for _, value in values if not math.isnan(float(value))] for values in found]


@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_a_panel_has_data_and_few_series(pipeline, traffic, uid, panel):
    window = Window(traffic.at - 900, traffic.at)
    for target in panel["targets"]:
        series = answer(pipeline, target, asked(uid, target, traffic.job, window), window)
        assert any(series) or (uid, panel["title"]) in HEALTHY_IS_EMPTY, target["expr"]
        assert len(series) <= MOST_SERIES[panel["type"]]


@pytest.mark.parametrize("uid", UIDS)
def test_variables_find_what_there_is(pipeline, traffic, uid):
    for name, variable in variables(load(uid)).items():
        series, _, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
        chosen = {"job": [] if name == "job" else [traffic.job], "instance": []}
        found = pipeline.query(f"group by ({label}) ({replaced(series, chosen, Window(0, 900))})", traffic.at)
        values = {one["metric"][label] for one in found}
        assert values
        if name == "job":
            assert traffic.job in values
        if name == "instance":
            assert len(values) == 1


def family(name: str) -> str:
    for part in ("_bucket", "_count", "_sum"):
        if name not in CONTRACT and name.removesuffix(part) in CONTRACT:
            return name.removesuffix(part)
    return name


@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_no_metric_or_label_is_unknown(pipeline, traffic, uid, panel):
    rules = {metric.name: {*metric.labels, "job"} for metric in RULE_METRICS} | RECORDED
    for target in panel["targets"]:
        tree = parsed(pipeline, asked(uid, target, traffic.job, Window(0, 900)))
        for selector in selectors(tree):
            if (name := family(selector.name)) in CONTRACT:
                assert selector.labels - {"job", "instance", "le"} <= set(CONTRACT[name][1].labels)
                assert {"job", "instance"} <= selector.labels
            elif name in rules:
                assert selector.labels <= rules[name]
            else:
                assert name.startswith(OTHERS)
                assert name in NOT_FROM_THE_START or pipeline.query(f"count({name})", traffic.at), name
        for grouping in groupings(tree):
            known = {"job", "instance", "le", *grouping.made}
            for selector in grouping.below:
                name = family(selector.name)
                known.update(CONTRACT[name][1].labels if name in CONTRACT else rules.get(name, ()))
                if name not in CONTRACT:
                    known.update({"exporter", "alertname", "severity", "channel", "outcome"})
            assert grouping.labels <= known


@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_instances_add_up_as_the_catalogue_says(pipeline, uid, panel):
    for target in panel["targets"]:
        tree = parsed(pipeline, asked(uid, target, "x", Window(0, 900)))
        for selector in selectors(tree):
            if family(selector.name) not in CONTRACT:
                continue
            across = CONTRACT[family(selector.name)][0].across
            adding = next((op for op in reversed(selector.around) if op not in CHOOSING), None)
            if across is Across.EACH:
                # The fullest one is a fact, a sum or a mean of all is none.
                assert adding in {None, "max"}
            elif "count" in selector.around and adding is None:
                assert selector.name == "system_info"
            else:
                assert adding == across.value


def test_what_may_be_empty_is_a_panel():
    assert set(HEALTHY_IS_EMPTY) <= {(uid, panel["title"]) for uid in UIDS for panel in panels(load(uid))}


def one_number(pipeline, traffic, title: str) -> float:
    (panel,) = [one for one in panels(load("wxiai-business")) if one["title"] == title]
    (target,) = panel["targets"]
    window = Window(traffic.at - 900, traffic.at)
    query = asked("wxiai-business", target, traffic.job, window)
    return sum(values[-1] for values in answer(pipeline, target, query, window))


def test_the_shares_of_the_services_are_of_each_task_once(pipeline, traffic):
    # An increase is extrapolated by up to half a scrape; a task that is counted twice is far from that.
    tasks = submitted(pipeline, traffic.job, traffic.at)
    assert one_number(pipeline, traffic, "各AI服务使用量") == pytest.approx(tasks, rel=0.3)


def test_the_success_rate_is_of_ended_tasks(pipeline, traffic):
    good = number(pipeline, f'sum(ai_tasks_total{{job="{traffic.job}",status="success"}})', traffic.at)
    rate = good / ended(pipeline, traffic.job, traffic.at)
    assert one_number(pipeline, traffic, "AI任务成功率") == pytest.approx(rate, abs=0.05)


def test_exemplars_are_wanted_of_histograms_only_and_have_traces(pipeline, traffic):
    window = Window(traffic.at - 900, traffic.at)
    wanted = [
        (uid, panel["title"], target)
        for uid in UIDS
        for panel in panels(load(uid))
        for target in panel["targets"]
        if target.get("exemplar")
    ]
    assert {uid for uid, _, _ in wanted} >= {"wxiai-business", "wxiai-http", "wxiai-database", "wxiai-cache"}
    for uid, title, target in wanted:
        assert "_bucket{" in target["expr"]
        parameters = {
            "query": asked(uid, target, traffic.job, window),
            "start": window.start,
            "end": window.end,
        }
        got = json.loads(pipeline.get("prometheus", f"/api/v1/query_exemplars?{urllib.parse.urlencode(parameters)}"))
        traces = [one["labels"]["trace_id"] for series in got["data"] for one in series["exemplars"]]
        assert traces, title
