"""The real Collector masks what the process masks, from the same table."""

import json
import random
import urllib.request
from pathlib import Path

import pytest
import yaml

from collector.redaction import files
from tests.otlp import grpc_receiver, http_receiver
from tests.otlp_json import NOW, attributes
from tests.otlp_logs import logs, record
from tests.otlp_spans import new_trace, span, traces
from tests.secrets.corpus import HARMLESS, SECRETS
from tests.secrets.table import PASSED, QUERY, RULES, redacted, reduced
from tests.servers.collector import collector
from tests.until import until

ROOT = Path(__file__).parents[2]

_BATCH = 500
MASKED = [(rule.name, text, shown) for rule in RULES for text, shown in rule.masked]
KEPT = [text for entry in (*PASSED, *RULES) for text in entry.kept]


@pytest.fixture(scope="module")
def pipeline():
    with grpc_receiver() as spans, http_receiver() as records:
        knobs = {
            "COLLECTOR_JAEGER": spans.url.removeprefix("http://"),
            "COLLECTOR_LOGS_EXPORTER": "otlp_http",
            "COLLECTOR_LOGS_ENDPOINT": records.url,
        }
        with collector("traces", "logs", **knobs) as running:
            yield running, spans, records


@pytest.fixture(scope="module")
def through_logs(pipeline):
    """Return a function that sends texts as log records and returns what the backend receives."""
    running, _, backend = pipeline

    def through(texts):
        found = {}
        for batch in _batches(texts):
            backend.logs.clear()
            _send(running, "logs", logs({}, *(record(text, {"n": n}) for n, text in enumerate(batch))))
            until(lambda: len(backend.records), equals=len(batch))
            found |= {batch[one.attributes[0].value.int_value]: one.body.string_value for one in backend.records}
        return found

    return through


@pytest.fixture(scope="module")
def through_spans(pipeline):
    """Return a function that sends texts as attributes of spans that have not failed, and of their events."""
    running, backend, _ = pipeline

    def through(texts):
        found = {}
        for batch in _batches(texts):
            backend.traces.clear()
            sent = (
                span(
                    new_trace(),
                    values={"note": text, "n": n},
                    events=[{"name": "x", "timeUnixNano": str(NOW), "attributes": attributes({"note": text})}],
                )
                for n, text in enumerate(batch)
            )
            _send(running, "traces", traces({}, *sent))
            until(lambda: len(backend.spans), equals=len(batch))
            for one in backend.spans:
                values = {item.key: item.value for item in one.attributes}
                text = batch[values["n"].int_value]
                (of_event,) = (item.value.string_value for item in one.events[0].attributes if item.key == "note")
                of_span = values["note"].string_value
                found[text] = of_span if of_span == of_event else f"{of_span}\n{of_event}"
        return found

    return through


def _batches(texts):
    return [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]


def _send(running, signal, body):
    request = urllib.request.Request(
        f"{running.endpoint}/v1/{signal}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=30).close()


def test_the_files_are_what_the_table_gives():
    for path, text in files().items():
        assert path.read_text() == text, "run scripts/generate"


def test_the_files_fit_into_config_maps():
    # kubectl keeps what it has applied, as JSON, in an annotation of at most 256 KiB.
    maps = yaml.safe_load((ROOT / "collector" / "kustomization.yaml").read_text())["configMapGenerator"]
    for layers in maps:
        texts = {name: (ROOT / "collector" / name).read_text() for name in layers["files"]}
        assert len(json.dumps(texts, ensure_ascii=False).encode()) < 240_000


@pytest.mark.built
def test_log_records_are_masked_as_in_the_process(through_logs):
    found = through_logs([text for _, text, _ in MASKED] + KEPT)
    for name, text, shown in MASKED:
        # The Collector also masks names, quotes and a neighbor: what the process shows bounds what it may show.
        assert "****" in found[text], name
        pieces = [piece for piece in found[text].split("****") if piece]
        assert all(piece.removeprefix("+") in shown for piece in pieces), (name, found[text])
    assert {text: shown for text in KEPT if (shown := found[text]) != text} == {}


@pytest.mark.built
def test_spans_are_masked_but_for_query_strings(through_spans):
    masked = [(name, text) for name, text, _ in MASKED if name != QUERY.name]
    found = through_spans([text for _, text in masked] + KEPT)
    assert [name for name, text in masked if "****" not in found[text]] == []
    assert {text: shown for text in KEPT if (shown := found[text]) != text} == {}


@pytest.mark.built
@pytest.mark.parametrize("signal", ["logs", "spans"])
def test_no_secret_gets_through_and_harmless_texts_do(request, signal):
    # The attributes of spans that have not failed keep query strings and reports of databases.
    texts = [text for text in SECRETS if signal == "logs" or ("?" not in text and reduced(text) == text)]
    found = request.getfixturevalue(f"through_{signal}")([*texts, *HARMLESS])
    damaged = [text for text in HARMLESS if found[text] != text]
    assert [(text, found[text]) for text in texts if any(one in found[text] for one in SECRETS[text])] == []
    assert len(damaged) <= 0.02 * len(HARMLESS), damaged


@pytest.mark.built
def test_secrets_among_other_texts_are_masked_by_both(through_logs):
    chosen = random.Random(4711)
    made = {}
    for _ in range(1_000):
        parts = chosen.choices(list(SECRETS), k=chosen.randint(2, 4)) + chosen.choices(HARMLESS, k=2)
        chosen.shuffle(parts)
        text = chosen.choice(("\n", "。\n", " | ", "；", "\t")).join(parts)
        made[text] = [
            one for part in parts for one in SECRETS.get(part, ()) if sum(one in other for other in parts) == 1
        ]
    found = through_logs(list(made))
    leaks = [
        (one, where, text)
        for text, secrets in made.items()
        for one in secrets
        for where, shown in (("process", redacted(text)), ("collector", found[text]))
        if one in shown
    ]
    assert leaks == []
