"""No rule names a metric, a label or a value that nobody makes."""

import pytest

from tests.alerts.files import RECORDING_RULES, RULES
from tests.alerts.known import OTHERS
from tests.promql import catalogue
from wxiai_otel.catalogue import RULE_METRICS

pytestmark = pytest.mark.built


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_names_only_what_there_is(rule, promql, names):
    assert names.unknown(promql.parse(rule.expr)) == []


def test_every_metric_of_the_contract_that_rules_make_is_made():
    recorded = [rule.name for rule in RECORDING_RULES if ":" not in rule.name]
    assert sorted(recorded) == sorted(metric.name for metric in RULE_METRICS)


def test_what_is_listed_besides_is_no_metric_of_the_catalogue():
    assert not set(OTHERS) & set(catalogue())


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(http_request_total[5m])", "http_request_total is no known metric"),
        ('http_requests_total{status="500"}', "status is no label of http_requests_total"),
        ("http_request_duration_seconds", "http_request_duration_seconds is no known metric"),
        ('sum by (pod) (rate(http_requests_total{endpoint="/"}[5m]))', "pod is a label of none of what it is asked of"),
        ("sum by (service) (sum by (job) (ai_tasks_total))", "service is a label of none of what it is asked of"),
        ('ai_tasks_total{status="error"}', "no status of ai_tasks_total is = error"),
        ('ai_tasks_total{status=~"success|fail"}', "no status of ai_tasks_total is =~ success|fail"),
        ('security_events_total{event_type="abuse"}', "no event_type of security_events_total is = abuse"),
        ("up * on (instance, pool) system_info", "pool is a label of none of what it is asked of"),
        ('{__name__=~"up|down"} == 0', "down is no known metric"),
        ("job:http_requests:rate1m", "job:http_requests:rate1m is no known metric"),
    ],
)
def test_what_there_is_not_is_found(expression, problem, promql, names):
    assert names.unknown(promql.parse(expression)) == [problem]
