"""The rule tests pass, and the specification's own expressions do not pass them."""

import re

import pytest
import yaml

from tests.alerts.files import ALERTS, RULE_FILES, TEST_FILES, promtool

pytestmark = [pytest.mark.built, pytest.mark.timeout(600)]


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_the_rule_tests_pass(path):
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


# The expression, and the scenarios that show what is wrong with it.
BROKEN = {
    "each series is divided by itself, so the share is 1 or nothing": (
        "HighErrorRate",
        {"expr": 'rate(http_requests_total{status_code=~"5.."}[5m]) / rate(http_requests_total[5m]) > 0.05'},
        ("healthy", "two instances", "fires; not one evaluation earlier", "counter reset; a restart is no error"),
    ),
    "without for it fires at the first sample": (
        "HighErrorRate",
        {"for": None},
        ("fires; not one evaluation earlier", "samples each minute"),
    ),
    "a percentile of each series is not the job's": (
        "SlowResponseTime",
        {"expr": "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m])) > 2"},
        ("healthy; two instances", "fires; not one evaluation earlier"),
    ),
    "each status of a service is divided by itself": (
        "AIServiceHighFailureRate",
        {"expr": 'rate(ai_tasks_total{status="failed"}[10m]) / rate(ai_tasks_total[10m]) > 0.1'},
        ("healthy", "fires; not one evaluation earlier"),
    ),
    "pending tasks dilute the failures": (
        "AIServiceHighFailureRate",
        {
            "expr": 'sum by (service) (rate(ai_tasks_total{status="failed"}[10m]))'
            " / sum by (service) (rate(ai_tasks_total[10m])) > 0.1"
        },
        ("fires; not one evaluation earlier; pending",),
    ),
    "hits by hits are 1": (
        "LowCacheHitRate",
        {"expr": 'rate(cache_operations_total{result="hit"}[5m]) / rate(cache_operations_total[5m]) < 0.7'},
        ("fires; not one evaluation earlier", "nothing is ever hit"),
    ),
    "yesterday's instances were others": (
        "UnusualUserActivity",
        {"expr": "avg_over_time(active_users_current[1h]) > 1.5 * avg_over_time(active_users_current[1h] offset 1d)"},
        ("though the workers were renewed",),
    ),
    "no instance is over the threshold alone": (
        "HighLoginFailureRate",
        {"expr": 'rate(security_events_total{event_type="login_failure"}[5m]) > 10'},
        ("two instances add up",),
    ),
    "a series that is born at 1 has not increased": (
        "APIAbuseDetected",
        {"expr": 'count(increase(security_events_total{event_type="api_abuse"}[1m]) > 0) > 0'},
        ("born at 1; fires at once", "samples each minute"),
    ),
    "what has been counted once fires forever": (
        "APIAbuseDetected",
        {"expr": 'count(security_events_total{event_type="api_abuse"} > 0) > 0'},
        ("and ends a minute later", "not forever after", "counter reset"),
    ),
    "one that comes back is not new": (
        "APIAbuseDetected",
        {
            "expr": 'count((security_events_total{event_type="api_abuse"} > 0'
            ' unless security_events_total{event_type="api_abuse"} offset 1m)'
            ' or increase(security_events_total{event_type="api_abuse"}[1m]) > 0) > 0'
        },
        ("a series that comes back as it was",),
    ),
}


@pytest.mark.parametrize("flaw", BROKEN)
def test_a_broken_rule_does_not_pass_the_same_scenarios(flaw, tmp_path):
    name, change, scenarios = BROKEN[flaw]
    (path,) = (path for path in TEST_FILES if f'"{name}: ' in path.read_text())
    document = yaml.safe_load(path.read_text())
    (tmp_path / "tests").mkdir()

    def run(change, scenario):
        for rules in RULE_FILES:
            text = rules.read_text()
            (tmp_path / rules.name).write_text(_changed(text, name, change) if name in text else text)
        tests = [
            test for test in document["tests"] if test["name"].startswith(f"{name}: ") and scenario in test["name"]
        ]
        assert tests, f"no scenario of {name} is named {scenario!r}"
        copy = tmp_path / "tests" / path.name
        copy.write_text(yaml.safe_dump({**document, "tests": tests}, allow_unicode=True))
        return promtool("test", "rules", copy)

    for scenario in scenarios:
        done = run({}, scenario)
        assert done.returncode == 0, done.stdout + done.stderr
        done = run(change, scenario)
        assert done.returncode == 1, f"{scenario}: {done.stdout}"
        assert re.search(r"\bexp:", done.stdout + done.stderr), done.stderr


def _changed(text: str, name: str, change: dict[str, str | None]) -> str:
    """The rules, with one of them changed."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == name:
                rule.update(change)
                for key in [key for key, value in change.items() if value is None]:
                    del rule[key]
    return yaml.safe_dump(document, allow_unicode=True)


def test_no_rule_test_is_left_out():
    assert {path.name for path in (ALERTS / "tests").iterdir()} == {path.name for path in TEST_FILES}
