"""The rule tests on VictoriaMetrics: vmalert's evaluation and MetricsQL in the place of Prometheus'."""

import re
import subprocess

import pytest
import yaml

from stack.binaries import find
from tests.alerts.files import ALERTS, RULE_FILES, TEST_FILES

pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

# What comes out otherwise, as docs/victoriametrics.md tells.
LATER = "what another rule has recorded, or whether it fires, is seen at the next evaluation"
EXTENDED = "an increase is not extended to the borders of its window: a threshold is passed sooner or later"
FROM_BEFORE = "a window counts from the sample before it, so that two samples further apart than the window have a rate"
BORN = "a series that is born at 1 has increased by 1"
OTHERWISE = {
    "AIServiceHighFailureRateFast: fires; not one evaluation earlier": EXTENDED,
    "HighErrorRateFast: fires; not one evaluation earlier; and long before HighErrorRate": EXTENDED,
    "HighErrorRateFast: an exhausted pool keeps it from beginning, not from going on, and no other job's": LATER,
    "HighErrorRateFast: no data; and samples too far apart for its window": FROM_BEFORE,
    "RuleEvaluationFailing: healthy; little traffic; counter reset; born at 1; no data": BORN,
    "NotificationsFailing: healthy; little traffic; counter reset; born at 1; no data": BORN,
    "DetectionTableFull: healthy; little traffic; counter reset; born at 1; no data": BORN,
    "HighLoginFailureRate: fires; not one evaluation earlier; two instances add up": EXTENDED,
    "HighLoginFailureRate: fires; samples each minute, no job": EXTENDED,
    "AvailabilityBurnRate critical: not one evaluation earlier; everything fails from the start": LATER,
    "AvailabilityBurnRate: healthy; a few minutes are no hour; a new service that goes on failing is told": EXTENDED,
}
# Hours take as long here as days with promtool.
LONGEST = 2 * 3600


def seconds(duration) -> int:
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", str(duration)))


def is_short(test) -> bool:
    checks = (*test.get("promql_expr_test", ()), *test.get("alert_rule_test", ()))
    return max(seconds(check["eval_time"]) for check in checks) <= LONGEST


def names(path) -> list[str]:
    return [test["name"] for test in yaml.safe_load(path.read_text())["tests"] if is_short(test)]


def converted(path, chosen) -> str:
    """The scenarios as vmalert-tool has them."""
    document = yaml.safe_load(path.read_text())
    tests = [test for test in document["tests"] if test["name"] in chosen]
    for test in tests:
        questions = test.pop("promql_expr_test", [])
        # ALERTS has a label more here, which vmalert leaves out when told so, and the tool does not.
        test["metricsql_expr_test"] = [
            {**question, "expr": f'label_del(({question["expr"]}), "alertgroup")'} for question in questions
        ]
    rules = [str((path.parent / rule).resolve()) for rule in document["rule_files"]]
    kept = {"rule_files": rules, "evaluation_interval": document["evaluation_interval"], "tests": tests}
    return yaml.safe_dump(kept, allow_unicode=True)


def run(path, chosen, folder):
    assert chosen
    file = folder / path.name
    file.write_text(converted(path, chosen))
    command = [find("vmalert-tool"), "unittest", "--disableAlertgroupLabel", f"--files={file}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=290, check=False)


@pytest.mark.parametrize("path", [path for path in TEST_FILES if names(path)], ids=lambda path: path.stem)
def test_the_rule_tests_pass(path, tmp_path):
    done = run(path, set(names(path)) - set(OTHERWISE), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_said_to_come_out_otherwise_does(name, tmp_path):
    (path,) = (path for path in TEST_FILES if name in names(path))
    assert run(path, {name}, tmp_path).returncode == 1


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_vmalert_takes_the_rules_as_they_are(path):
    done = subprocess.run([find("vmalert"), "-dryRun", f"-rule={path}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_vmalert_sees_what_is_wrong(tmp_path):
    text = (ALERTS / "slo_alerts.yml").read_text()
    broken = tmp_path / "broken.yml"
    broken.write_text(text.replace("sum by (job) (rate(", "sum by (job) (rate((", 1))
    done = subprocess.run([find("vmalert"), "-dryRun", f"-rule={broken}"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
