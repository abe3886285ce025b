"""Which traces are stored, and what of them: failed and slow ones, a share of the others, and no secret."""

import hashlib
import json
import os
import signal

import pytest

from stack.running import down, up
from stack.state import read_state
from tests.otlp_json import attributes
from tests.otlp_spans import CLIENT, new_trace, span, traces
from tests.secret_texts import KEYS, TEXTS
from tests.servers.pipeline import Pipeline, settled
from tests.until import until

pytestmark = pytest.mark.built

STATEMENTS = [
    ("postgresql", "SELECT * FROM users WHERE email = 'SECRET'", "SELECT * FROM users WHERE email = ?"),
    ("postgresql", "INSERT INTO t VALUES ('it''s SECRET', 48151623, 1.5e10)", "INSERT INTO t VALUES (??, ?, ?)"),
    ("postgresql", "SELECT col1 FROM t2 WHERE a=48151623 AND b=$1", "SELECT col1 FROM t2 WHERE a=? AND b=$1"),
    ("postgresql", "SELECT a[48151623:2] WHERE b IN (48151623,2,$12, .5)", "SELECT a[?:?] WHERE b IN (?,?,$12, .?)"),
    ("postgresql", r"SELECT E'a\'SECRET'", "SELECT ?"),
    ("postgresql", "SELECT $tag$SECRET$tag$", "SELECT ?"),
    ("postgresql", "SELECT 1 -- SECRET", "SELECT ?"),
    ("postgresql", "/* SECRET */ SELECT 1", None),
    ("postgresql", "SELECT 'SECRET", "SELECT ?"),
    ("mysql", 'SELECT "SECRET"', "SELECT ?"),
    ("mysql", "SELECT 1 # SECRET", "SELECT ?"),
    ("redis", "SET session:SECRET 48151623", "SET"),
    ("redis", "GET SECRET\nSECRET", "GET"),
]


@pytest.fixture
def pipeline(hostile_pipeline):
    return hostile_pipeline


def send(pipeline, job, *spans, **resource):
    assert pipeline.send("traces", traces({"service.name": job, **resource}, *spans)) == 200


def stored(pipeline, trace_id, spans=1):
    """The spans of a trace, once there are as many as were sent: Jaeger stores one after the other."""
    until(lambda: len(pipeline.trace(trace_id)), equals=spans)
    return pipeline.trace(trace_id)


def names(pipeline, trace_id):
    return {one["operationName"] for one in pipeline.trace(trace_id)}


def tags(one):
    return {tag["key"]: tag["value"] for tag in one["tags"]}


def test_failed_and_slow_traces_are_kept_whole(pipeline, job):
    failed, slow = new_trace(), new_trace()
    send(pipeline, job, span(failed), span(failed, "SELECT users", kind=CLIENT, failed=True))
    send(pipeline, job, span(slow, seconds=1.5), span(slow, "child"))

    until(lambda: names(pipeline, failed), equals={"GET /a", "SELECT users"})
    until(lambda: names(pipeline, slow), equals={"GET /a", "child"})


def test_of_fast_traces_the_share_is_kept(pipeline, job):
    ids = [hashlib.md5(str(number).encode()).hexdigest() for number in range(1000)]
    marker = new_trace()
    send(pipeline, job, *(span(trace_id, "fast") for trace_id in ids))
    send(pipeline, job, span(marker, "marker", failed=True))
    assert stored(pipeline, marker)

    path = f"/api/traces?service={job}&operation=fast&limit=1000&lookback=1h"
    # The marker may be stored before the others.
    kept = settled(lambda: {trace["traceID"] for trace in json.loads(pipeline.get("jaeger", path))["data"]})
    assert kept <= set(ids)
    # Three standard deviations around a tenth.
    assert 72 <= len(kept) <= 128


def test_a_span_that_comes_after_the_decision_follows_it(pipeline, job):
    trace_id = new_trace()
    send(pipeline, job, span(trace_id, failed=True))
    assert stored(pipeline, trace_id)
    send(pipeline, job, span(trace_id, "late"))

    until(lambda: names(pipeline, trace_id), equals={"GET /a", "late"})


def test_no_secret_is_stored_wherever_it_stands(pipeline, job):
    sent = {text: new_trace() for text in TEXTS}
    for text, trace_id in sent.items():
        exception = {"exception.message": text, "exception.stacktrace": f"File\n{text}\n"}
        event = {"timeUnixNano": "1", "name": f"event {text}", "attributes": attributes(exception)}
        values = {"note": text, "list": ["a", text], "http.url": f"http://x/{text}"}
        one = span(trace_id, f"job {text}", values=values, events=[event], failed=True)
        one["status"]["message"] = text
        send(pipeline, job, one, **{"process.command": text})

    for text, trace_id in sent.items():
        (found,) = stored(pipeline, trace_id)
        assert found["operationName"].startswith("job ")
        body = pipeline.get("jaeger", f"/api/traces/{trace_id}").decode()
        # Name, status, event, three attributes of it and three of the span, and the resource.
        assert body.count("****") >= 8, text
        assert TEXTS[text] not in body, text


def test_attributes_that_are_named_as_secrets_are_masked(pipeline, job):
    trace_id = new_trace()
    plain = {"gen_ai.usage.input_tokens": 512, "http.route": "/api/v1/tokens/{id}", "user.role": "vip"}
    send(pipeline, job, span(trace_id, values={**dict.fromkeys(KEYS, "x7"), **plain}, failed=True))

    found = tags(stored(pipeline, trace_id)[0])
    assert {key: found[key] for key in KEYS} == dict.fromkeys(KEYS, "****")
    assert {key: found[key] for key in plain} == plain


@pytest.mark.parametrize("old_names", [True, False])
def test_statements_lose_their_literals_and_commands_their_arguments(pipeline, job, old_names):
    system, query = ("db.system", "db.statement") if old_names else ("db.system.name", "db.query.text")
    trace_id = new_trace()
    spans = [
        span(trace_id, f"q{number}", kind=CLIENT, values={system: name, query: text}, failed=True)
        for number, (name, text, _) in enumerate(STATEMENTS)
    ]
    send(pipeline, job, *spans)

    found = {one["operationName"]: tags(one) for one in stored(pipeline, trace_id, len(spans))}
    for number, (name, text, expected) in enumerate(STATEMENTS):
        assert found[f"q{number}"]["db.system.name"] == name
        if expected is not None:
            assert found[f"q{number}"]["db.query.text"] == expected, text
    body = pipeline.get("jaeger", f"/api/traces/{trace_id}").decode()
    assert "SECRET" not in body
    assert "48151623" not in body


def test_the_error_of_a_statement_has_no_literal(pipeline, job):
    trace_id = new_trace()
    message = "duplicate key: INSERT INTO users VALUES ('SECRET')"
    event = {"timeUnixNano": "1", "name": "exception", "attributes": attributes({"exception.message": message})}
    send(pipeline, job, span(trace_id, values={"db.system.name": "postgresql"}, events=[event], failed=True))

    assert stored(pipeline, trace_id)
    assert "SECRET" not in pipeline.get("jaeger", f"/api/traces/{trace_id}").decode()


def test_huge_spans_are_cut_and_end_nothing(pipeline, job):
    huge, trace_id = new_trace(), new_trace()
    values = {"note": "界" * 3_000_000, **{f"key{number}": "x" for number in range(1000)}}
    send(pipeline, job, span(huge, values=values, failed=True))
    send(pipeline, job, span(trace_id, failed=True))

    assert stored(pipeline, trace_id)
    (one,) = stored(pipeline, huge)
    assert len(one["tags"]) < 140
    assert len(json.dumps(one, ensure_ascii=False).encode()) < 20_000


def test_spans_outlive_a_dead_jaeger_and_a_killed_collector(tmp_path, job, monkeypatch):
    monkeypatch.setenv("COLLECTOR_SAMPLING_WAIT", "1s")
    up(tmp_path, usual_ports=False)
    try:
        pipeline, trace_id = Pipeline(tmp_path), new_trace()
        os.kill(pipeline.state.processes["jaeger"].pid, signal.SIGKILL)
        send(pipeline, job, span(trace_id, failed=True))
        queued = 'otelcol_exporter_queue_size{data_type="traces",exporter="otlp_grpc/jaeger"'
        sizes = until(lambda: _has(pipeline, queued))
        assert sizes, "nothing is in the queue"
        os.kill(pipeline.state.processes["collector"].pid, signal.SIGKILL)
        down(tmp_path)

        up(tmp_path, usual_ports=False)
        assert read_state(tmp_path).processes["collector"] != pipeline.state.processes["collector"]
        assert stored(Pipeline(tmp_path), trace_id)
    finally:
        down(tmp_path)


def _has(pipeline, queued):
    lines = pipeline.get("collector_self", "/metrics").decode().splitlines()
    return any(line.startswith(queued) and not line.endswith(" 0") for line in lines)
