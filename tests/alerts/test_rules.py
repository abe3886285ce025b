"""The rules are well formed, and the specified alerts are as specified."""

import re
import subprocess

import pytest

from stack.binaries import find
from tests.alerts.files import ALERT_NAMES, ALERT_RULES, ALERTS, RULE_FILES, promtool

# Name: for, severity, team; by the group that each is in.
SPECIFIED = {
    "business_critical": {
        "HighErrorRate": ("2m", "critical", "platform"),
        "SlowResponseTime": ("3m", "warning", "platform"),
        "AIServiceHighFailureRate": ("5m", "critical", "ai_services"),
        "LowCacheHitRate": ("5m", "warning", "platform"),
        "UnusualUserActivity": ("10m", "info", "product"),
    },
    "system_resources": {
        "DatabaseConnectionPoolExhausted": ("2m", "critical", "database"),
        "RedisHighMemoryUsage": ("5m", "warning", "cache"),
    },
    "security": {
        "HighLoginFailureRate": ("2m", "warning", "security"),
        "APIAbuseDetected": ("0m", "critical", "security"),
    },
}
# The Prometheus of the stack writes the addresses of its machine in the place of these.
BASES = ("http://localhost:9095/runbooks/", "http://localhost:3000/d/")


def test_the_specified_alerts_are_as_specified():
    found: dict[str, dict[str, tuple[str, str, str]]] = {}
    for rule in ALERT_RULES:
        if rule.file == "business_alerts.yml":
            labels = rule.entry["labels"]
            found.setdefault(rule.group, {})[rule.name] = (rule.entry["for"], labels["severity"], labels["team"])
    assert found == SPECIFIED


def test_a_fast_companion_has_the_symptom_team_and_severity_of_the_alert_it_goes_before():
    rules = {rule.name: rule for rule in ALERT_RULES}
    companions = [name for name in rules if name.endswith("Fast")]
    assert len(companions) == 3
    for name in companions:
        labels = rules[name].entry["labels"]
        assert labels == {**rules[name.removesuffix("Fast")].entry["labels"], "fast": "true"}


def test_an_alert_that_stands_for_several_faults_of_one_symptom_can_be_told_from_the_others():
    """Where fast silences slow by symptom, one of them must be fast and not all."""
    for symptom in {rule.entry["labels"]["symptom"] for rule in ALERT_RULES}:
        fast = [r for r in ALERT_RULES if r.entry["labels"]["symptom"] == symptom and "fast" in r.entry["labels"]]
        assert all(rule.entry["labels"]["severity"] == "critical" for rule in fast), symptom


def test_there_are_no_addresses_but_the_two_that_are_written_in_when_the_files_are_laid_out():
    pages = (ALERTS / "runbooks").glob("*.md")
    for path in (*RULE_FILES, *pages):
        for address in re.findall(r"https?://[^\s)>\"'`]+", path.read_text()):
            assert address.startswith(BASES), f"{path.name}: {address}"


@pytest.mark.built
@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_promtool_has_nothing_to_say(path):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    assert done.returncode == 0, done.stdout + done.stderr


def pint(*paths):
    options = ("--no-color", "--offline", "--config", ALERTS / "pint.hcl", "lint", "--min-severity=info")
    command = [find("pint"), *options, "--fail-on=info", *paths]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.built
def test_pint_has_nothing_to_say():
    done = pint(*RULE_FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.built
@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("team: platform", "team: nobody", "team"),
        ("runbooks/HighErrorRate", "runbooks/Other", "runbook_url"),
        ("/d/wxiai-http", "/d/other", "dashboard_url"),
        ("summary: 错误率过高", "summary: High", "summary"),
        ("'{{ $labels.job }} 最近", "'{{ $labels.endpoint }} 最近", "endpoint"),
    ],
)
def test_pint_sees_what_is_missing(written, instead, said, tmp_path):
    text = (ALERTS / "business_alerts.yml").read_text()
    assert written in text
    path = tmp_path / "business_alerts.yml"
    path.write_text(text.replace(written, instead, 1))
    done = pint(path)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_the_names_of_alerts_are_their_pages():
    assert [path.stem for path in sorted((ALERTS / "runbooks").glob("*.md"))] == ALERT_NAMES
