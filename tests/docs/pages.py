"""The pages of docs/ that are generated; scripts/docs writes them."""

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.files import ALERT_RULES
from tests.docs import thousand
from tests.internals import HARMLESS, RULES
from upstream import table
from wxiai_otel import Settings
from wxiai_otel.catalogue import CONTRACT, RULE_METRICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


SETTINGS_INTRODUCTION = """\
# Settings

An argument of `setup_telemetry(app, …)` takes precedence over the environment, the environment over the default.
Of two variables, the first takes precedence. The argument `None` leaves a setting to the environment.

| situation | what happens |
|---|---|
| A variable is empty or has only spaces. | It counts as unset. |
| A setting is a truth value. | `true`, `1`, `yes` and `on`, or `false`, `0`, `no` and `off`, in any case. |
| A setting is a number. | As in Python: `10000`, `10_000`, `0.5`, without a unit. |
| A variable holds a list. | Commas separate the words; spaces around them do not count. |
| A value is not allowed. | `SettingError` at the start. It names the setting, the variable, the value (never a \
secret) and what is allowed. Headers, timeouts, protocols and the exemplar filter, which OpenTelemetry's exporters \
read, are checked too. |
| An argument does not exist. | `SettingError`, with the nearest argument. |
| A variable does not exist. | It is ignored. The logger `wxiai_otel` warns once per process and suggests the nearest \
one: for each variable with our prefix, and for nearly correct names (case, dashes, a misspelled prefix), \
OpenTelemetry's too. |
| Kubernetes sets variables for a Service that is called like our prefix: `…_PORT=tcp://10.96.7.7:4318`. | They are \
ignored. |

Type checkers and editors know all arguments. `wxiai_otel.SettingsArguments` is their type, for functions that pass them
on: `def observe(app: FastAPI, **settings: Unpack[SettingsArguments])`.

| setting | environment | default | |
|---|---|---|---|
"""


def settings_page() -> str:
    """Every setting."""
    lines = []
    for item in fields(Settings):
        variables = "<br>".join(f"`{name}`" for name in item.metadata["env"])
        default = ", ".join(item.default) if isinstance(item.default, tuple) else item.default
        shown = f"`{default}`" if default not in (None, "") else ""
        lines.append(f"| `{item.name}` | {variables} | {shown} | {item.metadata['doc']} |")
    return SETTINGS_INTRODUCTION + "\n".join(lines) + "\n"


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
    """Every alert."""
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


METRICS_INTRODUCTION = """\
# Metrics

What Prometheus holds, by whichever way it got there: from `/monitoring/metrics`, or by OTLP and the Collector. Each has
`job` and `instance` besides. By OTLP the application sends the instrument in the last column.
[behaviour.md](behaviour.md) says what is counted how, and why.

- `user_role` is one of the setting `roles`, `anonymous` without a user, else `other`. A value that is not known is a
  fixed word (`unmatched`, `unknown`, `other`), never empty.
- `endpoint` is the route's template, never the path.
- An instrument has at most `max_series` series; what is beyond is counted with `other` as each label.
- After a change: `scripts/generate`; `scripts/docs`.
"""

_SECTIONS = {
    "http": "HTTP",
    "database": "Database",
    "cache": "Redis",
    "users": "Users",
    "ai": "AI tasks",
    "credits": "Credits",
    "errors": "Errors",
    "security": "Security",
    "system": "System",
}
_COLUMNS = "| metric | type | labels | | instrument |\n|---|---|---|---|---|"


def metrics_page() -> str:
    """Every metric: the contract's by its sections, then the SDK's own."""
    contract: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "contract.yaml").read_text())
    lines = [METRICS_INTRODUCTION]
    for section, title in _SECTIONS.items():
        lines += [f"## {title}\n", _COLUMNS]
        lines += [_metric_row(name, entry) for name, entry in contract[section].items()]
        lines.append("")
    lines += ["## The SDK itself\n", _COLUMNS]
    lines += [_metric_row(name, {}) for name in CONTRACT if name.startswith("wxiai_otel_")]
    return "\n".join(lines) + "\n"


def _metric_row(name: str, entry: dict[str, Any]) -> str:
    if entry.get("origin") == "rule":
        (rule,) = [rule for rule in RULE_METRICS if rule.name == name]
        return _row(f"`{name}`", "gauge", _codes(rule.labels), rule.description, "recording rule")
    instrument, metric = CONTRACT[name]
    buckets = ""
    if metric.type == "histogram":
        buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in instrument.buckets)}."
    told = str(entry.get("note", instrument.description)).rstrip(".")
    return _row(f"`{name}`", metric.type, _codes(metric.labels), f"{told}.{buckets}", f"`{instrument.name}`")


def _codes(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


REDACTION_INTRODUCTION = """\
# Redaction

The SDK masks secrets in labels, log records, notifications, and the events, status and links of spans. The Collector
masks them again, also in names and attributes of spans and for other SDKs ([where](security.md#redacted)). Both search
for the entries of one table, `wxiai_otel/_secrets`. The tests run its examples, and about 2,300 texts in Chinese and
English, through both.

| kind | text | shown by the SDK |
|---|---|---|
"""
REDACTION_KEPT = """
## Harmless texts

Neither masks what is no secret although it follows a name or looks like a number of a person:

| kind | examples |
|---|---|
"""
REDACTION_LIMITS = """
## Differences in the Collector

- It reads no check digits, so it also masks 16-digit numbers that begin like a card, unless a word such as `order`
  precedes them.
- It masks the quotes of a value too: `"password": ****`.
- In lists, objects and resource attributes it masks a whole match with the name before the value, and harmless texts.
- It turns the body of a log record into text if the body is an object with a word such as `password` in it.
- A log attribute named `redaction.body` does not get through: the body has this name during redaction.

## Not recognized

- A secret without a form or a name: `hunter2` alone, names and addresses of people, words that are a password.
- An unquoted value after its first blank or Chinese punctuation mark: `password=correct horse`.
- A password made of Chinese characters without quotes, and in prose a code with letters.
- Cards in one piece without a valid check digit, unless they begin with 62 or follow `卡号` or `card number`.
- Keys glued to a word before them, such as `wxsk-…` and `Tokenabc…`.
- Secrets that are encoded (Base64, URL) in a text without a name, or cut into pieces by the application.
- URL passwords that begin with digits and a slash, which look like a port and a path.

Do not rely on redaction for a secret that you can leave out of a text.
"""


def redaction_page() -> str:
    """Return the table of secrets, with examples."""
    rows = []
    for rule in RULES:
        for text, shown in rule.masked[:2]:
            rows.append(_row(rule.name, _example(text), _example(shown)))
    kept = [f"| {one.name} | {', '.join(map(_example, one.kept))} |" for one in HARMLESS]
    return REDACTION_INTRODUCTION + "\n".join(rows) + "\n" + REDACTION_KEPT + "\n".join(kept) + "\n" + REDACTION_LIMITS


def _example(text: str) -> str:
    return f"`` {text} ``".replace("\r", "").replace("\n", "⏎")


PAGES = {
    "redaction": redaction_page,
    "settings": settings_page,
    "alerts": alerts_page,
    "metrics": metrics_page,
    "scaling-1000": thousand.page,
    "upstream": table.page,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        (DOCS / f"{name}.md").write_text(PAGES[name]())
