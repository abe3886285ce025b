"""What looks like a secret is pushed through every signal, and is found at no sink."""

import json
import logging

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.trace import Link

import wxiai_otel
from tests.otlp import http_receiver
from tests.secret_texts import KEYS, TEXTS
from tests.servers.robots import robots
from wxiai_otel import init_alert_manager, send_business_alert, setup_telemetry
from wxiai_otel._redaction import redacted
from wxiai_otel.alerting import _manager
from wxiai_otel.alerting.bridge._payload import parse
from wxiai_otel.alerting.channels import DingTalk
from wxiai_otel.alerting.channels._webhook import payload


@pytest.fixture
def received():
    with http_receiver() as receiver:
        yield receiver


def test_no_secret_is_in_a_label_a_log_record_or_a_links_attribute(received):
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1)
    tracer = trace.get_tracer("test")
    with tracer.start_as_current_span("before") as before:
        context = before.get_span_context()
    for text in TEXTS:
        wxiai_otel.record_error(text, text)
        wxiai_otel.record_payment_failure(text, text)
        wxiai_otel.record_upload_failure(text)
        wxiai_otel.record_login_failure(text, account=text)
        wxiai_otel.start_ai_task("flux", text)
        logging.getLogger("app").warning("%s", text)
        attributes = {"note": text, "list": ["a", text], **dict.fromkeys(KEYS, "x7")}
        tracer.start_span("linked", links=[Link(context, attributes)]).end()
    exposition = telemetry.render_metrics()[0].decode()
    assert telemetry.force_flush()

    links = [link for span in received.spans if span.name == "linked" for link in span.links]
    assert len(links) == len(TEXTS)
    assert {
        key: links[0].attributes[n].value.string_value for n, key in enumerate(("note", "list", *KEYS)) if n > 1
    } == (dict.fromkeys(KEYS, "****"))
    sinks = (exposition, str(links), str(received.metrics), str(received.logs))
    assert [(text, n) for text, secret in TEXTS.items() for n, sink in enumerate(sinks) if secret in sink] == []
    # They have arrived all the same: what is left of them says what went wrong.
    assert 'error_type="mail to **** failed"' in exposition


def test_a_link_without_secrets_arrives_as_it_is(received):
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, trace_share=1)
    tracer = trace.get_tracer("test")
    other = tracer.start_span("other")
    other.end()
    context = other.get_span_context()
    tracer.start_span("linked", links=[Link(context, {"reason": "retry", "count": 3})], attributes={"a": [1, 2]}).end()
    telemetry.force_flush()

    (span,) = [span for span in received.spans if span.name == "linked"]
    (link,) = span.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert {item.key: item.value.string_value or item.value.int_value for item in link.attributes} == {
        "reason": "retry",
        "count": 3,
    }
    assert [value.int_value for value in span.attributes[0].value.array_value.values] == [1, 2]


async def test_no_secret_is_in_a_notification_of_the_applications():
    with robots() as sink:
        init_alert_manager({"webhook": {"url": sink.url("webhook")}})
        try:
            for text in TEXTS:
                told = await send_business_alert(
                    "X", "info", text, note=text, deep={"list": [text]}, client_secret="x7"
                )
                assert told["webhook"].delivered
        finally:
            _manager._manager.close()
            _manager._manager = None
        sent = json.dumps(sink.of("webhook"), ensure_ascii=False)
    assert [text for text, secret in TEXTS.items() if secret in sent] == []
    assert "x7" not in sent


@pytest.mark.parametrize("text", TEXTS)
def test_no_secret_is_in_a_notification_of_alertmanagers(text):
    annotations = dict.fromkeys(("summary", "summary_en", "description", "description_en"), text)
    alert = {
        "status": "firing",
        "labels": {"alertname": "X", "service": text, "instance": text},
        "annotations": {**annotations, "details": json.dumps({"note": text, "db.dsn": "x7"})},
        "startsAt": "2026-01-01T00:00:00Z",
    }
    message = parse(json.dumps({"alerts": [alert]}).encode())
    from wxiai_otel.alerting._secret import Secret

    for body in (DingTalk(Secret("http://x"), Secret("")).body([message]).decode(), json.dumps(payload(message))):
        assert TEXTS[text] not in body
        assert "x7" not in body


def test_a_link_in_a_notification_keeps_its_query_and_the_numbers_stay():
    text = "see http://grafana/d/x?var-job=a&from=1: 12 of 48000 failed"
    assert redacted(text, queries=False) == text


async def test_an_exception_whose_text_no_exporter_could_write_loses_no_other_span(received):
    from tests.asgi import get

    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=received.url, trace_share=1)

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("nothing to say")

    @app.get("/boom/{kind}")
    async def boom(kind: str):
        if kind == "mute":
            raise Mute
        raise ValueError("bad \ud800 name" if kind == "surrogate" else "x" * 5_000_000)

    for kind in ("surrogate", "mute", "huge"):
        await get(app, f"/boom/{kind}")
    await get(app, "/none")
    assert telemetry.force_flush()

    assert len(received.spans) == 4
    texts = [span.status.message for span in received.spans]
    assert texts[0] == "ValueError: bad \\ud800 name"
    assert texts[1] == "Mute: <Mute>"
    assert max(map(len, texts)) <= 4_096
    values = [item.value.string_value for span in received.spans for event in span.events for item in event.attributes]
    assert max(map(len, values)) <= 16_384


async def test_paths_and_captured_headers_are_cut(received):
    from tests.asgi import get

    app = FastAPI()
    telemetry = setup_telemetry(
        app, otlp_endpoint=received.url, trace_share=1, capture_query=True, capture_user_agent=True
    )
    await get(app, f"/{'x' * 60_000}?{'y' * 60_000}", headers=[(b"user-agent", b"z" * 60_000)])
    telemetry.force_flush()

    (span,) = received.spans
    lengths = {item.key: len(item.value.string_value) for item in span.attributes}
    assert [lengths[key] for key in ("url.path", "url.query", "user_agent.original")] == [4_096] * 3
