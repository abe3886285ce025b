"""The rules and their tests, as they are written."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.binaries import find

ALERTS = Path(__file__).parents[2] / "alerts"
RULE_FILES = sorted((*ALERTS.glob("*_alerts.yml"), *ALERTS.glob("*_rules.yml")))
TEST_FILES = sorted((ALERTS / "tests").glob("*.yml"))
RUNBOOKS = ALERTS / "runbooks"


@dataclass(frozen=True)
class Rule:
    """One rule and where it stands."""

    file: str
    group: str
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        return self.entry.get("alert") or self.entry["record"]

    @property
    def expr(self) -> str:
        return self.entry["expr"]

    @property
    def id(self) -> str:
        """Its name, with the severity where one name has several."""
        if sum(self.name == other.name for other in RULES) == 1:
            return self.name
        return f"{self.name} {self.entry['labels']['severity']}"


def _rules() -> list[Rule]:
    return [
        Rule(path.name, group["name"], entry)
        for path in RULE_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for entry in group["rules"]
    ]


RULES = _rules()
ALERT_RULES = [rule for rule in RULES if "alert" in rule.entry]
RECORDING_RULES = [rule for rule in RULES if "record" in rule.entry]
ALERT_NAMES = sorted({rule.name for rule in ALERT_RULES})


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [find("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=590, check=False)


def queries(runbook: str) -> list[str]:
    """The PromQL of a page: one expression for each block."""
    return [found.strip() for found in re.findall(r"^```promql\n(.*?)^```$", runbook, re.MULTILINE | re.DOTALL)]
