"""Each alert has a page that helps: what it means, and queries that work."""

import re

import pytest

from tests.alerts.files import ALERT_NAMES, ALERT_RULES, RUNBOOKS, queries

SECTIONS = ["含义 Meaning", "影响 Impact", "诊断 Diagnosis", "处理 Mitigation"]


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_a_page_has_its_sections_and_the_alerts_own_summary(name):
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    rule = next(rule for rule in ALERT_RULES if rule.name == name)
    annotations = rule.entry["annotations"]
    assert text.startswith(f"# {name}\n\n{annotations['summary']} · {annotations['summary_en']}\n")


@pytest.mark.built
@pytest.mark.parametrize("name", ALERT_NAMES)
def test_the_queries_of_a_page_name_only_what_there_is(name, promql, names):
    found = queries((RUNBOOKS / f"{name}.md").read_text())
    assert found
    for query in found:
        assert names.unknown(promql.parse(query)) == [], query
