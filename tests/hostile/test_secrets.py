"""What looks like a secret is pushed through every signal, and is found at no sink."""

import json
import logging
from contextlib import suppress
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, StatusCode

import wxiai_otel
from tests.asgi import get
from tests.hostile.internals import Outgoing, Secret, alert_manager, outgoing, parse, payload, redacted
from tests.secret_texts import KEYS, TEXTS
from tests.servers.robots import robots
from wxiai_otel import init_alert_manager, send_business_alert, setup_telemetry
from wxiai_otel.alerting.channels import DingTalk


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


async def test_no_secret_in_what_an_exception_says_is_at_any_sink(received):
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1)
    texts = list(TEXTS)

    @app.get("/boom/{number}")
    async def boom(number: int):
        try:
            raise ValueError(texts[number])
        except ValueError as cause:
            logging.getLogger("app").exception("failed: %s", cause)
            raise RuntimeError(f"again: {texts[number]}") from cause

    @wxiai_otel.monitor_ai_task("flux")
    async def paint(text):
        raise ValueError(text)

    for number, text in enumerate(texts):
        await get(app, f"/boom/{number}")
        with suppress(ValueError):
            await paint(text)
        wxiai_otel.record_error(ValueError(text), text)
    exposition = telemetry.render_metrics()[0].decode()
    assert telemetry.force_flush()

    events = [event for span in received.spans for event in span.events if event.name == "exception"]
    said = [{item.key: item.value.string_value for item in event.attributes} for event in events]
    assert sum(one["exception.type"] == "RuntimeError" for one in said) == len(TEXTS)
    # Both of the chain, and the lines between them.
    assert all("direct cause" in one["exception.stacktrace"] for one in said if one["exception.type"] == "RuntimeError")
    assert all("****" in one["exception.message"] for one in said)
    statuses = [span.status.message for span in received.spans if span.status.message.startswith("RuntimeError")]
    assert len(statuses) == len(TEXTS)
    sinks = (exposition, str(received.spans), str(received.metrics), str(received.logs))
    assert [(text, n) for text, secret in TEXTS.items() for n, sink in enumerate(sinks) if secret in sink] == []


def test_the_exception_of_a_statement_that_another_instrumentation_records_has_no_value(received):
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, trace_share=1)
    tracer = trace.get_tracer("test")
    said = "x\n[SQL: INSERT INTO t VALUES (%s)]\n[parameters: ('s3cret', 1)]\n(Background on this error at: y)"
    for attributes, text in (({"db.system.name": "postgresql"}, "bad value 's3cret'"), ({}, said)):
        with suppress(ValueError), tracer.start_as_current_span("statement", attributes=attributes):
            raise ValueError(text)
    telemetry.force_flush()

    assert "s3cret" not in str(received.spans)
    messages = [
        item.value.string_value
        for span in received.spans
        for item in span.events[0].attributes
        if item.key == "exception.message"
    ]
    assert messages == ["bad value ?", "x ****"]


def test_spans_with_an_exception_keep_all_else_and_say_what_they_had_to_drop(received, monkeypatch):
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, trace_share=1)
    with (
        suppress(ValueError),
        trace.get_tracer("test").start_as_current_span("job", attributes=dict.fromkeys("abc", 1)),
    ):
        for number in range(3):
            trace.get_current_span().add_event("step", {"number": number, "list": ["a", "b"]}, timestamp=number + 1)
        raise ValueError("bad")
    telemetry.force_flush()

    (span,) = [span for span in received.spans if span.name == "job"]
    assert (span.dropped_attributes_count, span.dropped_events_count) == (1, 2)
    assert [item.key for item in span.attributes] == ["b", "c"]
    step, exception = span.events
    assert (step.name, step.time_unix_nano, step.attributes[0].value.int_value) == ("step", 3, 2)
    assert [value.string_value for value in step.attributes[1].value.array_value.values] == ["a", "b"]
    assert exception.name == "exception"
    assert span.status.message == "ValueError: bad"


def test_spans_without_an_exception_are_handed_on_as_they_are():
    handed = []
    outgoing = Outgoing(SimpleNamespace(export=handed.extend))
    provider = TracerProvider()
    span = provider.get_tracer("test").start_span("fine", attributes={"a": "告警"})
    span.end()
    outgoing.export([span])
    assert handed == [span]


@pytest.mark.faulty
def test_where_redaction_fails_the_span_leaves_without_the_text(monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError

    monkeypatch.setattr(outgoing, "redacted", broken)
    handed = []
    span = TracerProvider().get_tracer("test").start_span("job", attributes={"a": 1})
    span.record_exception(ValueError("hunter2"))
    span.set_status(StatusCode.ERROR, "hunter2")
    span.end()
    Outgoing(SimpleNamespace(export=handed.extend)).export([span])
    (left,) = handed
    assert (left.name, dict(left.attributes), left.status.status_code) == ("job", {"a": 1}, StatusCode.ERROR)
    assert "hunter2" not in left.to_json()


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
            alert_manager._manager.close()
            alert_manager._manager = None
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

    for body in (DingTalk(Secret("http://x"), Secret("")).body([message]).decode(), json.dumps(payload(message))):
        assert TEXTS[text] not in body
        assert "x7" not in body


def test_a_link_in_a_notification_keeps_its_query_and_the_numbers_stay():
    text = "see http://grafana/d/x?var-job=a&from=1: 12 of 48000 failed"
    assert redacted(text, queries=False) == text


async def test_an_exception_whose_text_no_exporter_could_write_loses_no_other_span(received):
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
    app = FastAPI()
    telemetry = setup_telemetry(
        app, otlp_endpoint=received.url, trace_share=1, capture_query=True, capture_user_agent=True
    )
    await get(app, f"/{'x' * 60_000}?{'y' * 60_000}", headers=[(b"user-agent", b"z" * 60_000)])
    telemetry.force_flush()

    (span,) = received.spans
    lengths = {item.key: len(item.value.string_value) for item in span.attributes}
    assert [lengths[key] for key in ("url.path", "url.query", "user_agent.original")] == [4_096] * 3
