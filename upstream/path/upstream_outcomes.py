"""A pytest plugin that writes each test's outcome to the file named by UPSTREAM_OUTCOMES, as JSON."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

# Object addresses in generated test ids differ between runs.
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_REASON = 2_000
_WORST_FIRST = ("error", "failed", "xpassed", "xfailed", "skipped", "passed")


class Outcomes:
    """The outcomes of one run, by test id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Record one phase of a test. The worst phase counts."""
        self._record(report, _outcome(report))

    def pytest_collectreport(self, report: Any) -> None:
        """Record a module that cannot be collected."""
        if report.failed:
            self._record(report, "error")

    def _record(self, report: Any, outcome: str) -> None:
        test = _ADDRESS.sub("0x", report.nodeid)
        before = self._outcomes.get(test, "passed")
        self._outcomes[test] = min(before, outcome, key=_WORST_FIRST.index)
        if outcome in ("error", "failed") and test not in self._reasons:
            self._reasons[test] = str(report.longrepr)[-_REASON:]

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._path.write_text(json.dumps({"outcomes": self._outcomes, "reasons": self._reasons}))


def _outcome(report: Any) -> str:
    expected = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "xpassed" if expected and report.when == "call" else "passed"


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin in the process that receives all reports. With pytest-xdist, that is not a worker."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(Path(os.environ["UPSTREAM_OUTCOMES"])), "upstream-outcomes")
