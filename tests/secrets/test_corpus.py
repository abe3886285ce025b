"""How many secrets are shown, and how many harmless texts are changed."""

import re

import pytest
from fastapi import FastAPI

from tests.secrets.corpus import HARMLESS, SECRETS
from tests.secrets.table import PASSED, RULES, SHAPES, redacted, redaction
from wxiai_otel import setup_telemetry

MASKED = [(rule.name, text, shown) for rule in RULES for text, shown in rule.masked]
KEPT = [(rule.name, text) for rule in RULES for text in (*rule.kept, *rule.kept_in_process)]
KEPT += [(harmless.name, text) for harmless in PASSED for text in harmless.kept]


def test_no_secret_is_shown():
    assert len(SECRETS) > 1_000
    assert [text for text, secrets in SECRETS.items() if any(one in redacted(text) for one in secrets)] == []


def test_of_a_thousand_harmless_texts_at_most_twenty_are_changed():
    assert len(HARMLESS) > 300
    changed = [text for text in HARMLESS if redacted(text) != text]
    assert len(changed) <= 0.02 * len(HARMLESS), changed


def test_every_rule_has_examples_of_both_kinds():
    assert [rule.name for rule in RULES if not rule.masked or not rule.kept] == []


@pytest.mark.parametrize(("name", "text", "shown"), MASKED)
def test_what_a_rule_is_for_is_masked(name, text, shown):
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_every_rule_masks_its_examples_without_the_others(rule):
    masking = redaction._masking(redaction._TABLE.index(rule))
    assert [text for text, _ in rule.masked if masking(text) == text] == []


@pytest.mark.parametrize("harmless", PASSED, ids=[harmless.name for harmless in PASSED])
def test_a_rule_would_mask_what_is_passed_over(harmless, monkeypatch):
    without = len(PASSED)
    monkeypatch.setattr(redaction, "_rules_for", lambda _: (1 << len(redaction._TABLE)) - (1 << without))
    assert [text for text in harmless.kept if redacted(text) == text] == []


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_what_looks_like_it_stays(name, text):
    assert redacted(text) == text


@pytest.mark.parametrize("entry", [*PASSED, *RULES], ids=[entry.name for entry in (*PASSED, *RULES)])
def test_every_example_has_a_word_of_its_entry(entry):
    for text in entry.kept if entry in PASSED else dict(entry.masked):
        assert any(re.search(SHAPES[word], text) if word in SHAPES else word in text.lower() for word in entry.words)


@pytest.mark.parametrize("text", ["password=hunter2", "13800138000", "密码：hunter2"])
@pytest.mark.parametrize("filler", ["", "x" * 1_000 + " ", "界" * 1_000, "\ud800 ", "\0"])
def test_what_stands_before_a_secret_hides_nothing(filler, text):
    assert redacted(filler + text) != filler + text
    assert "hunter2" not in redacted(filler + text)
    assert "13800138000" not in redacted(filler + text)


def test_no_request_compiles_a_pattern():
    redaction._masking.cache_clear()
    setup_telemetry(FastAPI())
    compiled = redaction._masking.cache_info().misses
    for text in SECRETS:
        redacted(text)
    assert redaction._masking.cache_info().misses == compiled
