"""A text is cut to its final length before any pattern runs, and no cut leaves half a secret."""

import json
import logging
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.hostile.internals import MARGIN, MASK, NotDelivered, Secret, json_safe, parse, posting, redacted, safe
from tests.secret_texts import TEXTS
from wxiai_otel import setup_telemetry
from wxiai_otel.alerting.channels import DingTalk

LIMIT = 400
SHOWN = 5  # characters of a secret that reveal nothing


MASKED = f"sk-{'a' * 250} "  # it becomes shorter, so that more of what follows is shown


def filled(start, border, text):
    """Return a text in which a secret starts at a distance before a border."""
    return (start + "- " * border)[:border] + text + " and more" * 200


def around(text, border):
    """Return texts with a secret at a border, one for each way to cut it in two."""
    for before in range(len(text) + 1):
        yield filled("", border - before, text)
        yield filled(MASKED * (border // 300), border - before, text)


def leaks(secret, shown):
    return any(secret[at : at + SHOWN + 1] in shown for at in range(max(1, len(secret) - SHOWN)))


@pytest.mark.parametrize("border", [LIMIT, LIMIT + MARGIN])
@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_at_a_border_is_not_shown_in_part(text, border):
    for one in around(text, border):
        shown = redacted(one, limit=LIMIT)
        assert len(shown) <= LIMIT
        assert not leaks(TEXTS[text], shown)
        # The same if the caller has cut the text, at the end of the part that is read.
        assert not leaks(TEXTS[text], redacted(one[: LIMIT + MARGIN], limit=LIMIT))


@pytest.mark.parametrize("cut", range(MARGIN - 20, MARGIN + 20))
def test_a_value_in_quotes_that_a_cut_leaves_open_is_not_shown(cut):
    for start in ("", "'a b' " * (LIMIT // 12), MASKED):
        text = (start + "- " * LIMIT)[:LIMIT] + "x" * (cut - 10) + " 'my s3cret value' more" * 100
        assert "s3cr" not in redacted(text, limit=LIMIT, quotes=True)
    assert redacted("it's a 'value' that isn't", quotes=True) == "it?value?t"


def test_a_text_that_masks_shorten_keeps_its_rest():
    text = "failed\nDETAIL: " + "x" * 5_000
    assert redacted(text, limit=LIMIT) == f"failed\nDETAIL: {MASK}"
    assert redacted("x" * 5_000, limit=LIMIT) == "x" * LIMIT
    assert redacted("x" * LIMIT, limit=LIMIT) == "x" * LIMIT
    assert redacted("", limit=0) == ""


@pytest.mark.parametrize("limit", ["", "200"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_span_shows_no_part_of_a_secret_that_is_cut(text, limit, monkeypatch, received):
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit)
    longest = int(limit or 16_384)
    telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, trace_share=1, metrics_exporter="none")
    tracer = trace.get_tracer("test")
    for border in (longest, longest + MARGIN, 4_096):
        for before in (len(text) - 3, len(text) // 2):
            span = tracer.start_span("job")
            message = filled(MASKED * (border // 300), border - before, text)
            span.add_event("x", {"note": message, "list": [message]})
            span.record_exception(ValueError(message))
            span.set_status(StatusCode.ERROR, message)
            span.end()
    assert telemetry.force_flush(30)

    assert len(received.spans) == 6
    for span in received.spans:
        values = [item.value for event in span.events for item in event.attributes]
        texts = [one.string_value for value in values for one in (value, *value.array_value.values)]
        assert max(map(len, texts)) <= longest
        assert len(span.status.message) <= 4_096
        assert not any(leaks(TEXTS[text], one) for one in (*texts, span.status.message))


@pytest.mark.parametrize("text", TEXTS)
def test_a_log_record_shows_no_part_of_a_secret_that_is_cut(text, received):
    telemetry = setup_telemetry(
        FastAPI(),
        otlp_endpoint=received.url,
        logs_exporter="otlp",
        log_attributes=["note"],
        metrics_exporter="none",
        traces_exporter="none",
    )
    for border in (8_192, 8_192 + MARGIN):
        message = filled(MASKED * (border // 300), border - len(text) // 2, text)
        logging.getLogger("app").error(message, extra={"note": message})
    assert telemetry.force_flush(30)

    assert len(received.records) == 2
    for record in received.records:
        note = next(item.value.string_value for item in record.attributes if item.key == "note")
        for shown in (record.body.string_value, note):
            assert 100 < len(shown) <= 8_192
            assert not leaks(TEXTS[text], shown)


@pytest.mark.parametrize("text", TEXTS)
def test_a_notification_shows_no_part_of_a_secret_that_is_cut(text):
    for border in (600, 2_000, 2_001, 2_048, 3_000, 4_000, 4_096, 8_000):
        message = filled(MASKED * (border // 300), border - len(text) // 2, text)
        for shown in (safe(message, border), json.dumps(json_safe({"x": message, "y": {"z": [message]}}))):
            assert not leaks(TEXTS[text], shown)
        annotations = {"summary": message, "details": json.dumps({"x": message})}
        alert = {"status": "firing", "labels": {"alertname": "X", "job": message}, "annotations": annotations}
        parsed = parse(json.dumps({"alerts": [{**alert, "startsAt": "2026-01-01T00:00:00Z"}]}).encode())
        for channel in (DingTalk,):
            assert not leaks(TEXTS[text], channel(Secret("http://x"), Secret("")).body([parsed]).decode())


def test_a_robots_reply_shows_no_part_of_our_token(monkeypatch):
    token = "0123456789abcdef" * 4
    robot = DingTalk(Secret(f"http://x/send?access_token={token}"), Secret(""))
    monkeypatch.setattr(robot, "body", lambda _messages: b"{}")
    for before in range(150, 260, 7):
        said = {"errcode": 310000, "errmsg": "x" * before + token}
        answer = SimpleNamespace(status=200, after=None, json=lambda said=said: said)
        monkeypatch.setattr(posting, "post", lambda *_args, answer=answer: answer)
        with pytest.raises(NotDelivered) as failed:
            robot.send([], 1)
        assert "01234" not in failed.value.reason
