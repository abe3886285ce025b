"""Each rule is tested in all that can happen to it.

The name of a rule test says what it shows, as ``HighErrorRate: fires; two instances; anything else``. Before the colon
are the rules, with commas between them; a rule of several severities is meant as a whole unless the severity is said.
"""

import pytest
import yaml

from tests.alerts.files import ALERT_RULES, RECORDING_RULES, RULES, TEST_FILES
from tests.alerts.known import AFTER_LOSS, BRIDGE, PIPELINE
from wxiai_otel.catalogue import CONTRACT

OF_ALERTS = ("fires", "not one evaluation earlier", "healthy", "two instances", "no data")
OF_RECORDING_RULES = ("value", "two instances", "no traffic", "no data")
# Only what counts is born at 1, is reset, and may have counted little.
OF_COUNTERS = ("born at 1", "counter reset")
COUNTERS = {
    *(name for name, (_, metric) in CONTRACT.items() if metric.type == "counter"),
    *(f"{name}_{part}" for name, (_, m) in CONTRACT.items() if m.type == "histogram" for part in ("bucket", "count")),
    *(name for name in (*PIPELINE, *BRIDGE) if name.endswith("_total") or "_refused_" in name),
    *AFTER_LOSS,
}
# What does not apply, and why.
EXEMPT = {
    ("Watchdog", "healthy"): "it always fires",
    ("Watchdog", "not one evaluation earlier"): "it fires at the first",
    ("Watchdog", "two instances"): "it looks at no series",
}


@pytest.fixture(scope="module")
def shown():
    """What the tests of each rule show."""
    shown = {rule.id: set() for rule in RULES}
    for path in TEST_FILES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            rules, _, scenarios = test["name"].partition(": ")
            for name in rules.split(", "):
                meant = [rule.id for rule in RULES if name in {rule.id, rule.name}]
                assert meant, f"{path.name}: {name} is no rule"
                for one in meant:
                    shown[one].update(scenarios.split("; "))
    return shown


@pytest.fixture(scope="module")
def counts(promql, names):
    """Whether a rule is made of counters, in the end."""
    made_of = {rule.name: rule for rule in RECORDING_RULES}

    def look(rule):
        named = names.metrics(promql.parse(rule.expr))
        return bool(named & COUNTERS) or any(look(made_of[name]) for name in named if name in made_of)

    return look


def missing(rule, scenarios, shown):
    return [
        one
        for one in scenarios
        if (rule.id, one) not in EXEMPT and not any(said.startswith(one) for said in shown[rule.id])
    ]


@pytest.mark.built
@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule.id)
def test_an_alert_is_tested_in_all_that_can_happen(rule, shown, counts):
    assert missing(rule, OF_ALERTS, shown) == []
    if counts(rule):
        assert missing(rule, (*OF_COUNTERS, "little traffic"), shown) == []


@pytest.mark.built
@pytest.mark.parametrize("rule", RECORDING_RULES, ids=lambda rule: rule.name)
def test_a_recording_rule_is_tested_in_all_that_can_happen(rule, shown, counts):
    if ":" in rule.name:
        # A step on the way to others, whose tests show the rest.
        assert missing(rule, ("value",), shown) == []
        return
    assert counts(rule)
    assert missing(rule, (*OF_RECORDING_RULES, *OF_COUNTERS), shown) == []


def test_what_is_exempt_is_a_scenario_of_a_rule():
    assert {name for name, _ in EXEMPT} <= {rule.id for rule in RULES}
    assert {scenario for _, scenario in EXEMPT} <= {*OF_ALERTS, *OF_COUNTERS, "little traffic"}
    assert all(EXEMPT.values())


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_values_mean_the_same_to_every_reader_of_yaml(path):
    """0x60 is 61 times 0 to promtool, and 96 to others."""
    tests = yaml.safe_load(path.read_text())["tests"]
    assert all(isinstance(series["values"], str) for test in tests for series in test.get("input_series", ()))
