"""Outside pytest no helper raises, whatever its arguments and whenever it is called. Refusals are counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.business.internals import _inputs
from wxiai_otel import complete_ai_task, record_credits

ROOT = Path(__file__).parents[2]
RECORDING = {
    *("complete_ai_task", "start_ai_task", "record_credits", "record_error", "record_payment_failure"),
    *("record_upload_failure", "record_login_failure", "record_security_event", "record_user_activity"),
    *("monitor_credits_operation", "monitor_ai_task"),
}


@pytest.fixture(scope="module")
def production():
    # The child inherits a test's environment, but has not imported pytest.
    program = [sys.executable, "-W", "error", str(ROOT / "tests/business/in_production.py")]
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    ended = subprocess.run(
        program, capture_output=True, text=True, timeout=100, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout), ended.stderr


def test_no_helper_raises_and_each_refusal_is_counted(production):
    (before, after_the_setup, after_the_shutdown), metrics = production[0]["refused"], production[0]["metrics"]
    assert {"complete_ai_task", "record_credits", "monitor_credits_operation", "monitor_ai_task"} <= before.keys()
    assert after_the_setup.keys() == RECORDING
    assert after_the_shutdown["record_credits"] > after_the_setup["record_credits"]
    for helper, count in after_the_setup.items():
        assert f'wxiai_otel_inputs_refused_total{{helper="{helper}"}} {float(count)}' in metrics


def test_each_kind_is_logged_once(production):
    lines = [line for line in production[1].splitlines() if "; not recorded" in line]
    assert {line.removeprefix("WARNING:wxiai_otel:").partition(":")[0] for line in lines} == RECORDING
    assert len(lines) < 30
    assert max(map(len, lines)) < 300


def test_hostile_arguments_cause_no_fault(production):
    faults = {line.split('"')[1] for line in production[0]["metrics"].splitlines() if "faults_total{" in line}
    assert faults <= {"helpers.option"}  # an option that is a function and raises


@pytest.mark.parametrize("call", [lambda: complete_ai_task("garbage", "success"), lambda: record_credits("spend", 1)])
class TestBeforeTheSetup:
    def test_under_pytest_it_raises(self, call):
        with pytest.raises(ValueError, match=r"token|operation"):
            call()

    def test_the_environment_decides(self, call, monkeypatch):
        monkeypatch.setenv("WXIAI_OTEL_STRICT", "false")
        call()

    def test_an_empty_variable_does_not(self, call, monkeypatch):
        monkeypatch.setenv("WXIAI_OTEL_STRICT", "")
        with pytest.raises(ValueError, match=r"token|operation"):
            call()

    def test_an_application_that_imports_pytest_is_not_under_test(self, call, monkeypatch):
        for name in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
            monkeypatch.delenv(name, raising=False)
        before = sum(_inputs._refused.values())
        call()
        assert sum(_inputs._refused.values()) == before + 1
