"""The real Collector masks what the process masks, from the same table."""

import json
import random
import urllib.request
from pathlib import Path

import pytest
import yaml

from collector.redaction import files
from tests.otlp import http_receiver
from tests.otlp_logs import logs, record
from tests.secrets.corpus import HARMLESS, SECRETS
from tests.servers.collector import collector
from tests.servers.pipeline import until
from wxiai_otel._redaction import redacted
from wxiai_otel._secrets import RULES

ROOT = Path(__file__).parents[2]

_BATCH = 500
MASKED = [(rule.name, text, shown) for rule in RULES for text, shown in rule.masked]
KEPT = [text for rule in RULES for text in rule.kept]
# Without check digits, and without a list of words that are no value.
MASKED_IN_COLLECTOR_ONLY = [text for rule in RULES for text in rule.kept_in_process]


@pytest.fixture(scope="module")
def through_collector():
    """Return a function that sends texts as log records and returns what the backend receives."""
    with (
        http_receiver() as backend,
        collector(
            "traces", "logs", COLLECTOR_LOGS_EXPORTER="otlp_http", COLLECTOR_LOGS_ENDPOINT=backend.url
        ) as running,
    ):

        def through(texts):
            found = {}
            for start in range(0, len(texts), _BATCH):
                backend.logs.clear()
                batch = texts[start : start + _BATCH]
                body = json.dumps(logs({}, *(record(text, {"n": n}) for n, text in enumerate(batch)))).encode()
                headers = {"content-type": "application/json"}
                request = urllib.request.Request(f"{running.endpoint}/v1/logs", body, headers)
                urllib.request.urlopen(request, timeout=30).close()
                assert until(lambda: len(backend.records), len(batch)) == len(batch)
                found |= {batch[one.attributes[0].value.int_value]: one.body.string_value for one in backend.records}
            return found

        yield through


def test_the_files_are_what_the_table_gives():
    for path, text in files().items():
        assert path.read_text() == text, "run scripts/generate"


def test_the_files_fit_into_a_config_map():
    # kubectl keeps what it has applied, as JSON, in an annotation of at most 256 KiB.
    layers = yaml.safe_load((ROOT / "collector" / "kustomization.yaml").read_text())["configMapGenerator"][0]["files"]
    texts = {name: (ROOT / "collector" / name).read_text() for name in layers}
    assert len(json.dumps(texts, ensure_ascii=False).encode()) < 240_000


@pytest.mark.built
def test_the_collector_masks_the_examples_and_keeps_the_others(through_collector):
    found = through_collector([text for _, text, _ in MASKED] + KEPT)
    for name, text, shown in MASKED:
        # The Collector also masks names, quotes and a neighbor: what the process shows bounds what it may show.
        assert "****" in found[text], name
        pieces = [piece for piece in found[text].split("****") if piece]
        assert all(piece.removeprefix("+") in shown for piece in pieces), (name, found[text])
    assert {text: shown for text in KEPT if (shown := found[text]) != text} == {}


@pytest.mark.built
def test_no_secret_gets_through_and_harmless_texts_do(through_collector):
    found = through_collector([*SECRETS, *HARMLESS])
    leaked = [(text, found[text]) for text, secrets in SECRETS.items() if any(one in found[text] for one in secrets)]
    damaged = [text for text in HARMLESS if found[text] != text]
    assert leaked == []
    assert len(damaged) <= 0.08 * len(HARMLESS), damaged


@pytest.mark.built
def test_secrets_among_other_texts_are_masked_by_both(through_collector):
    chosen = random.Random(4711)
    made = {}
    for _ in range(1_000):
        parts = chosen.choices(list(SECRETS), k=chosen.randint(2, 4)) + chosen.choices(HARMLESS, k=2)
        chosen.shuffle(parts)
        text = chosen.choice(("\n", "。\n", " | ", "；", "\t")).join(parts)
        made[text] = [
            one for part in parts for one in SECRETS.get(part, ()) if sum(one in other for other in parts) == 1
        ]
    found = through_collector(list(made))
    leaks = [
        (one, where, text)
        for text, secrets in made.items()
        for one in secrets
        for where, shown in (("process", redacted(text)), ("collector", found[text]))
        if one in shown
    ]
    assert leaks == []
