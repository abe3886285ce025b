"""One fault, one page: which of the real alerts silence which others, by the real Alertmanager.

The alerts have the labels that their rules give them: those of the rule, and those of what its expression finds.
"""

import re
import time
from collections.abc import Iterator
from typing import Self

import pytest
import yaml

from tests.alerts.files import ALERT_RULES
from tests.servers.alertmanager import CONFIG, Alertmanager, alert, alertmanager
from tests.until import until

pytestmark = pytest.mark.built

IDS = [rule.id for rule in ALERT_RULES]
# What the labels are in all of them, so that whatever can be equal is.
HERE = {"check": "ai_services"}


def both(name: str) -> set[str]:
    return {f"{name} critical", f"{name} warning"}


AVAILABILITY, LATENCY, TASKS = both("AvailabilityBurnRate"), both("LatencyBurnRate"), both("AITaskSuccessBurnRate")
OF_ANY_SERVICE = {"HealthCheckFailing", *AVAILABILITY}
OF_REQUESTS = {"HighErrorRate", "SlowResponseTime", *AVAILABILITY, *LATENCY}

SILENCES = {
    "HighErrorRateFast": {"HighErrorRate", *AVAILABILITY},
    "HighErrorRate": AVAILABILITY,
    "AvailabilityBurnRate critical": {"AvailabilityBurnRate warning"},
    "LatencyBurnRate critical": {"LatencyBurnRate warning", "SlowResponseTime"},
    "AIServiceHighFailureRateFast": {"AIProviderDown", "AIServiceHighFailureRate", *TASKS, *OF_ANY_SERVICE},
    "AIProviderDown": {"AIServiceHighFailureRate", *TASKS, *OF_ANY_SERVICE},
    "AIServiceHighFailureRate": {*TASKS, *OF_ANY_SERVICE},
    "AITaskSuccessBurnRate critical": {"AITaskSuccessBurnRate warning", *OF_ANY_SERVICE},
    "DatabaseConnectionPoolExhaustedFast": {
        *("DatabaseConnectionPoolExhausted", "DatabaseConnectionPoolForecast", *OF_REQUESTS)
    },
    "DatabaseConnectionPoolExhausted": {"DatabaseConnectionPoolForecast"},
    "RedisHighMemoryUsage": {"RedisMemoryForecast"},
    "NotificationsFailing": {"BridgeNotificationsFailing"},
    "ApplicationDown": {
        *(*OF_REQUESTS, "MetricsAbsent", "LowCacheHitRate"),
        *("DatabaseConnectionPoolExhausted", "DatabaseConnectionPoolForecast"),
        *("RedisHighMemoryUsage", "RedisMemoryForecast", "UnusualUserActivity"),
    },
    "CollectorDown": {
        *("ApplicationDown", "MetricsAbsent", "NoApplicationData"),
        *("CollectorRefusing", "CollectorDropping", "CollectorQueueFilling"),
        *(*AVAILABILITY, *LATENCY, *TASKS),
    },
}

# By name of the inhibition: what another label makes another fault, and what only one label of the target makes none.
NEAR_MISSES = {
    "the fast companion has told it": [
        ("HighErrorRateFast", "HighErrorRate", {"job": "web"}),
        ("AIServiceHighFailureRateFast", "AIServiceHighFailureRate", {"service": "kling"}),
        ("DatabaseConnectionPoolExhaustedFast", "DatabaseConnectionPoolExhausted", {"pool": "other"}),
        ("DatabaseConnectionPoolExhaustedFast", "DatabaseConnectionPoolExhausted", {"instance": "other"}),
    ],
    "the provider has told it": [("AIProviderDown", "AIServiceHighFailureRate", {"service": "kling"})],
    "critical before warning": [
        ("AvailabilityBurnRate critical", "AvailabilityBurnRate warning", {"job": "web"}),
        ("AITaskSuccessBurnRate critical", "AITaskSuccessBurnRate warning", {"service": "kling"}),
        ("DatabaseConnectionPoolExhausted", "DatabaseConnectionPoolForecast", {"instance": "other"}),
    ],
    "the rate before the budget": [
        ("HighErrorRate", "AvailabilityBurnRate critical", {"job": "web"}),
        ("AIServiceHighFailureRate", "AITaskSuccessBurnRate critical", {"service": "kling"}),
    ],
    "what is so before what will be": [("RedisHighMemoryUsage", "RedisMemoryForecast", {"job": "web"})],
    "the failing service before its provider": [
        ("AIServiceHighFailureRateFast", "AIProviderDown", {"service": "kling"})
    ],
    "the failing service before all services": [
        ("AIServiceHighFailureRateFast", "HealthCheckFailing", {"check": "database"})
    ],
    "the failing provider before all services": [("AIProviderDown", "HealthCheckFailing", {"check": "redis"})],
    "the failure rate before all services": [("AIServiceHighFailureRate", "HealthCheckFailing", {"check": "database"})],
    "the budget of tasks before all services": [
        ("AITaskSuccessBurnRate critical", "HealthCheckFailing", {"check": "database"}),
        ("AITaskSuccessBurnRate warning", "HealthCheckFailing", {}),
    ],
    "the pool before its requests": [
        ("DatabaseConnectionPoolExhaustedFast", "HighErrorRate", {"job": "web"}),
        ("DatabaseConnectionPoolExhausted", "HighErrorRate", {}),
    ],
    "the application is down": [
        ("ApplicationDown", "HighErrorRate", {"job": "web"}),
        ("ApplicationDown", "MetricsAbsent", {"job": "web"}),
        ("ApplicationDown", "RedisHighMemoryUsage", {"job": "web"}),
    ],
    "the Collector is down": [("TargetDown", "MetricsAbsent", {})],
    "the Collector is down, and budgets wait": [("TargetDown", "LatencyBurnRate critical", {})],
}
# Sources that fire side by side, and what both of them silence.
SIDE_BY_SIDE = [
    ("AIServiceHighFailureRateFast", "AIProviderDown", "AIServiceHighFailureRate"),
    ("AIServiceHighFailureRateFast", "AIProviderDown", "HealthCheckFailing"),
    ("AIServiceHighFailureRateFast", "AIServiceHighFailureRate", "HealthCheckFailing"),
    ("AIServiceHighFailureRate", "AITaskSuccessBurnRate critical", "AvailabilityBurnRate critical"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Alertmanager]:
    """With our inhibitions, and nobody to tell."""
    rules = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    config = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}], "inhibit_rules": rules}
    with alertmanager(tmp_path_factory.mktemp("alertmanager"), yaml.safe_dump(config)) as server:
        yield server


@pytest.fixture(scope="module")
def labels(promql, names) -> dict[str, dict[str, str]]:
    """The labels of each alert as Prometheus sends it."""
    return {
        rule.id: {
            **{name: HERE.get(name, f"a-{name}") for name in names.labels(promql.parse(rule.expr))},
            **rule.entry["labels"],
            "alertname": rule.name,
        }
        for rule in ALERT_RULES
    }


class Silenced:
    """Whether an alert silences another."""

    def __init__(self, running: Alertmanager, labels: dict[str, dict[str, str]], source: str) -> None:
        self._running, self._labels, self._source = running, labels, labels[source]

    def __enter__(self) -> Self:
        self._post(self._source)
        return self

    def __exit__(self, *_: object) -> None:
        self._post(self._source, ended=True)

    def _post(self, labels: dict[str, str], *, ended: bool = False) -> None:
        self._running.post({**alert("", ended=ended), "labels": labels})

    def is_as(self, expected: bool, target: str, **others: str) -> bool:
        """Of a target that may have other labels. Waited for: the source is known a moment after it was posted."""
        labels = {**self._labels[target], **others}
        self._post(labels)
        # As Prometheus sends it again and again.
        self._post(self._source)
        try:
            return until(lambda: self._by_source(labels) == expected)
        finally:
            self._post(labels, ended=True)

    def still(self, target: str) -> bool:
        """Whether it does, though it has not been sent again."""
        labels = self._labels[target]
        self._post(labels)
        try:
            return until(lambda: self._by_source(labels))
        finally:
            self._post(labels, ended=True)

    def _by_source(self, labels: dict[str, str]) -> bool:
        found = {tuple(sorted(one["labels"].items())): one for one in self._running.get("/api/v2/alerts")}
        source, target = (found[tuple(sorted(each.items()))] for each in (self._source, labels))
        return source["fingerprint"] in target["status"]["inhibitedBy"]


@pytest.mark.parametrize("source", IDS)
def test_an_alert_silences_what_is_the_same_fault_and_nothing_else(source, running, labels):
    expected = SILENCES.get(source, set())
    assert expected <= set(IDS)
    with Silenced(running, labels, source) as silenced:
        # First what it silences: then it is known.
        for target in sorted(set(IDS) - {source}, key=lambda one: one not in expected):
            assert silenced.is_as(target in expected, target), target


NEAR = [pytest.param(*miss, id=f"{name}: {miss[1]}") for name, misses in NEAR_MISSES.items() for miss in misses]


@pytest.mark.parametrize(("source", "target", "others"), NEAR)
def test_another_fault_is_told(source, target, others, running, labels):
    assert set(others) <= set(labels[target])
    with Silenced(running, labels, source) as silenced:
        if others:
            assert silenced.is_as(True, target)
        assert silenced.is_as(False, target, **others)


def test_a_collector_silences_what_it_hides_of_every_application(running, labels):
    with Silenced(running, labels, "CollectorDown") as silenced:
        for target in ("ApplicationDown", "MetricsAbsent", "AvailabilityBurnRate critical"):
            assert silenced.is_as(True, target, job="web")


@pytest.mark.parametrize(("source", "side", "target"), SIDE_BY_SIDE)
def test_the_end_of_one_source_frees_nothing_that_the_other_silences(source, side, target, running, labels):
    with Silenced(running, labels, source) as silenced:
        assert silenced.is_as(True, target)
        # Sent after the first, and over before it is sent again.
        with Silenced(running, labels, side):
            time.sleep(0.2)
        assert silenced.still(target)


def test_no_inhibition_is_left_out():
    rules = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    assert list(NEAR_MISSES) == [rule["name"] for rule in rules]


def test_the_labels_are_those_that_the_descriptions_use(labels):
    for rule in ALERT_RULES:
        used = set(re.findall(r"\$labels\.(\w+)", str(rule.entry["annotations"])))
        assert used <= set(labels[rule.id]), rule.id
