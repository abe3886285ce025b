"""Log records through the real Collector: with the ids of their traces, and without secrets, whoever sends them."""

import json
import logging
import time
import urllib.request

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from tests.asgi import get
from tests.otlp import http_receiver
from tests.otlp_json import attributes
from tests.otlp_logs import logs, record
from tests.secret_texts import TEXTS
from tests.servers.collector import collector
from tests.until import until
from wxiai_otel import setup_telemetry

pytestmark = pytest.mark.built

LAYERS = ("traces", "logs")
# What spans do not have, and texts of other SDKs do.
MORE = {
    "(sqlite3.IntegrityError) x\n[SQL: INSERT INTO t VALUES (?)]\n[parameters: ('s3cret',\n2)]": "s3cret",
    "duplicate key\nDETAIL:  Key (name)=(s3cret) already exists.": "s3cret",
    '"GET /reset?code=s3cret&x=1 HTTP/1.1" 200': "s3cret",
}
SECRETS = {**TEXTS, **MORE}
PLAIN = "order 4711 of user 12 took 1.5 s: really? SELECT a FROM b WHERE c = ? at http://host/path 界"


@pytest.fixture(scope="module")
def backend():
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def running(backend):
    """A Collector that sends log records to the backend."""
    with collector(*LAYERS, COLLECTOR_LOGS_EXPORTER="otlp_http", COLLECTOR_LOGS_ENDPOINT=backend.url) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_yet(backend):
    backend.logs.clear()


def send(running, *records) -> None:
    """As another SDK does, which redacts nothing."""
    body = json.dumps(logs({"service.name": "x"}, *records)).encode()
    asked = urllib.request.Request(f"{running.endpoint}/v1/logs", body, {"content-type": "application/json"})
    urllib.request.urlopen(asked, timeout=30).close()


def arrived(backend, count: int) -> list:
    until(lambda: len(backend.records), equals=count)
    return backend.records


async def test_what_the_application_logs_in_a_request_arrives_with_the_ids_of_its_span(running, backend, monkeypatch):
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.endpoint)
    app = FastAPI(title="shop")
    telemetry = setup_telemetry(app)
    seen = []

    @app.get("/x")
    async def x():
        seen.append(trace.get_current_span().get_span_context())
        logging.getLogger("app").warning("stock of %s is low, password=hunter2", "tea")

    await get(app, "/x")
    assert telemetry.force_flush()

    (one,), (context,) = arrived(backend, 1), seen
    assert (int.from_bytes(one.trace_id), int.from_bytes(one.span_id)) == (context.trace_id, context.span_id)
    assert one.body.string_value == "stock of tea is low, password=****"
    assert one.severity_text == "WARN"
    resource = {item.key: item.value.string_value for item in backend.logs[0].resource_logs[0].resource.attributes}
    assert resource["service.name"] == "shop"


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_no_secret_of_another_sdk_gets_through_wherever_it_stands(running, backend, text, secret):
    exception = {"exception.message": text, "exception.stacktrace": f"File\n{text}\n"}
    values = {**exception, "note": text, "list": ["a", text]} if text in TEXTS else exception
    structured = {"kvlistValue": {"values": attributes({"said": text} if text in TEXTS else {})}}
    named = {"eventName": f"event {text}"} if text in TEXTS else {}
    send(running, record(text, values, **named), record(structured))

    assert len(arrived(backend, 2)) == 2
    assert secret not in str(backend.logs)
    assert "****" in backend.records[0].body.string_value


def test_what_is_named_as_a_secret_is_masked_and_what_is_none_stays(running, backend):
    values = {"client_secret": "x7", "note": PLAIN, "tokens": 512}
    send(running, record(PLAIN, values, eventName="sold"))

    (one,) = arrived(backend, 1)
    found = {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in one.attributes}
    assert found == {"client_secret": "****", "note": PLAIN, "tokens": 512}
    assert (one.body.string_value, one.event_name) == (PLAIN, "sold")


def test_a_huge_record_is_cut(running, backend):
    values = {"note": "x" * 100_000, **{f"key{number}": "x" for number in range(1000)}}
    send(running, record("界" * 100_000, values))

    (one,) = arrived(backend, 1)
    assert 16_000 < len(one.body.string_value.encode()) <= 16_384
    assert len(one.attributes) <= 128
    assert one.ByteSize() < 40_000


def test_records_outlive_a_backend_that_is_away_and_a_collector_that_ends(backend, tmp_path):
    kept = {"COLLECTOR_DATA": str(tmp_path), "COLLECTOR_LOGS_EXPORTER": "otlp_http"}
    with collector(*LAYERS, **kept, COLLECTOR_LOGS_ENDPOINT="http://127.0.0.1:9") as running:
        send(running, record("kept"))
        time.sleep(1)
    with collector(*LAYERS, **kept, COLLECTOR_LOGS_ENDPOINT=backend.url):
        (one,) = arrived(backend, 1)
    assert one.body.string_value == "kept"


def test_the_stack_shows_them_in_the_collectors_output(pipeline, job):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    said = record(f"{job} password=hunter2", traceId=trace_id, spanId="b7ad6b7169203331", severityText="WARN")
    assert pipeline.send("logs", logs({"service.name": job}, said)) == 200

    output = pipeline.data / "logs" / "collector.log"
    until(lambda: f"Body: Str({job} password=****)" in output.read_text())
    until(lambda: f"Trace ID: {trace_id}" in output.read_text())
    assert "hunter2" not in output.read_text()
