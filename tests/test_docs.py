"""The documentation is of this code."""

import re
from dataclasses import fields
from pathlib import Path

from tests.alerts.files import ALERT_RULES
from wxiai_otel import Settings

DOCS = Path(__file__).parents[1] / "docs"


def settings_page() -> str:
    """The page that lists every setting; scripts/docs writes it."""
    lines = [
        "# Settings",
        "",
        "An argument of `setup_telemetry(app, …)` goes before the environment, the environment before the default;",
        "of two variables the first goes before the second. An empty variable is an unset one.",
        "",
        "| setting | environment | default | |",
        "|---|---|---|---|",
    ]
    for item in fields(Settings):
        variables = "<br>".join(f"`{name}`" for name in item.metadata["env"])
        default = ", ".join(item.default) if isinstance(item.default, tuple) else item.default
        shown = f"`{default}`" if default not in (None, "") else ""
        lines.append(f"| `{item.name}` | {variables} | {shown} | {item.metadata['doc']} |")
    return "\n".join(lines) + "\n"


def test_the_page_of_settings_is_up_to_date():
    assert (DOCS / "settings.md").read_text() == settings_page(), "run scripts/docs"


ALERTS_INTRODUCTION = """\
# 告警 Alerts

每个告警的名称链接到它的处理手册。`<job>` 等是触发时的标签，`N` 是当时的值。
Each name leads to its runbook. `<job>` and the like are labels, `N` is the value at the time.

- 同一故障的告警有相同的 `symptom`；`fast: "true"` 的先触发，并抑制其余的。
  Alerts of one fault have the same `symptom`; the one with `fast: "true"` comes first and silences the others.
- `business_alerts.yml` 是规定的九个告警，只依赖指标约定，不依赖其他文件。
  抓取间隔可以是 5 秒到 1 分钟；快速告警需要 15 秒以内。
  `business_alerts.yml` has the nine that are specified; it needs the contract's metrics and no other file.
  Scrapes may be 5 s to 1 min apart; fast alerts need 15 s or less.
- 全新的 Prometheus 首次看到已有的计数时，会把它当作新事件：
  `APIAbuseDetected` 触发一分钟，`PaymentFailures` 五分钟，`new_users_registered` 当天偏高。
  A Prometheus without history takes counts that it has never seen for new ones: `APIAbuseDetected` fires for a minute,
  `PaymentFailures` for five, `new_users_registered` is too high for a day.
- `DiskForecast` 需要 node_exporter，本仓库的管线不抓取它。
  `DiskForecast` needs node_exporter, which nothing here scrapes.
- 修改规则后 After a change: `python -m pytest tests/alerts`; `scripts/docs`.

| 告警 Alert | 等级 Severity | 团队 Team | for | symptom | 含义 Meaning |
|---|---|---|---|---|---|
"""


def alerts_page() -> str:
    """The page that lists every alert; scripts/docs writes it."""
    rows = []
    for rule in sorted(ALERT_RULES, key=lambda rule: ("critical", "warning", "info", "none").index(_severity(rule))):
        labels, annotations = rule.entry["labels"], rule.entry["annotations"]
        name = f"[{rule.name}](../alerts/runbooks/{rule.name}.md)"
        symptom = f"{labels['symptom']} (fast)" if "fast" in labels else labels["symptom"]
        meaning = f"{_plain(annotations['description'])}<br>{_plain(annotations['description_en'])}"
        row = (name, labels["severity"], labels["team"], rule.entry.get("for", "0m"), symptom, meaning)
        rows.append(f"| {' | '.join(row)} |")
    return ALERTS_INTRODUCTION + "\n".join(rows) + "\n"


def _severity(rule) -> str:
    return rule.entry["labels"]["severity"]


def _plain(description: str) -> str:
    """A description without its placeholders."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"`<\1>`", description)
    return re.sub(r"\{\{ \$value[^}]*\}\}", "`N`", named)


def test_the_page_of_alerts_is_up_to_date():
    assert (DOCS / "alerts.md").read_text() == alerts_page(), "run scripts/docs"


def test_no_placeholder_is_left_in_the_page_of_alerts():
    assert "{{" not in alerts_page()
