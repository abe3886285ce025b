"""A text is cut to its final length before any pattern runs, and no cut leaves half a secret."""

import json
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from tests.hostile.test_growth import LOG_EXPORT
from tests.secret_texts import TEXTS
from wxiai_otel._redaction import MARGIN, MASK, redacted
from wxiai_otel.alerting._errors import NotDelivered
from wxiai_otel.alerting._secret import Secret
from wxiai_otel.alerting._text import json_safe, safe
from wxiai_otel.alerting.bridge._payload import parse
from wxiai_otel.alerting.channels import DingTalk, _robot
from wxiai_otel.logs import _export
from wxiai_otel.providers import _event_limit, _limits
from wxiai_otel.tracing import Outgoing

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
def test_a_span_shows_no_part_of_a_secret_that_is_cut(text, limit, monkeypatch):
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit)
    left = []
    outgoing = Outgoing(SimpleNamespace(export=left.extend), _event_limit())
    tracer = TracerProvider(span_limits=_limits()).get_tracer("test")
    for border in (_event_limit(), _event_limit() + MARGIN, 4_096):
        for before in (len(text) - 3, len(text) // 2):
            span = tracer.start_span("job")
            message = filled(MASKED * (border // 300), border - before, text)
            span.add_event("x", {"note": message, "list": [message]})
            span.record_exception(ValueError(message))
            span.set_status(StatusCode.ERROR, message)
            span.end()
            outgoing.export([span])
    for span in left:
        values = [value for event in span.events for value in event.attributes.values()]
        texts = [one for value in values for one in ([value] if isinstance(value, str) else value)]
        assert max(map(len, texts)) <= _event_limit()
        assert len(span.status.description) <= 4_096
        assert not any(leaks(TEXTS[text], one) for one in (*texts, span.status.description))


@pytest.mark.parametrize("text", TEXTS)
def test_a_log_record_shows_no_part_of_a_secret_that_is_cut(text):
    exported = []
    connection = SimpleNamespace(again=lambda send, _count: send(SimpleNamespace(export=exported.extend)))
    for border in (8_192, 8_192 + MARGIN):
        message = filled(MASKED * (border // 300), border - len(text) // 2, text)
        record = _export.logging.LogRecord("app", 40, "x.py", 1, message, None, None)
        record.note = message
        _export.Redacting(connection).export([SimpleNamespace(log_record=LOG_EXPORT._translated(record))])
    for item in exported:
        for shown in (item.log_record.body, item.log_record.attributes["note"]):
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
        monkeypatch.setattr(_robot, "post", lambda *_args, answer=answer: answer)
        with pytest.raises(NotDelivered) as failed:
            robot.send([], 1)
        assert "01234" not in failed.value.reason
