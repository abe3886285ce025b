"""Alertmanager's webhook, the bridge's tokens, what robots answer, and what is said in messages."""

import asyncio
import email
import json
import re
from email.policy import default

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.asgi import request
from tests.hostile.cases import begin, cases
from tests.hostile.internals import (
    Alert,
    Answer,
    Bridge,
    BridgeConfig,
    Message,
    NotDelivered,
    PayloadError,
    Secret,
    digest,
    enabled,
    markdown,
    parse,
    posting,
    title,
)
from tests.hostile.strategies import ANY, HEADER_VALUES, JSON, TELLING, TEXT
from wxiai_otel.alerting import AlertConfigError
from wxiai_otel.alerting.channels import DingTalk, Email, Feishu, WeChat

TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"]) | TEXT
LABELS = st.dictionaries(st.sampled_from(["alertname", "severity", "service", "instance"]) | ANY, TEXT, max_size=5)
TEXTS = ("summary", "summary_en", "description", "description_en", "runbook_url", "dashboard_url", "details")
ADDRESSES = st.builds("http://{}".format, TEXT)
ALERT = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["firing", "resolved"]) | JSON,
        "labels": LABELS.map(lambda labels: {"alertname": "X", **labels}) | JSON,
        "annotations": st.dictionaries(st.sampled_from(TEXTS), TEXT | ADDRESSES) | JSON,
        "startsAt": TIMES | JSON,
        "endsAt": TIMES | JSON,
    }
)
WEBHOOK = st.fixed_dictionaries(
    {"alerts": st.lists(ALERT, max_size=3) | JSON},
    optional={
        "truncatedAlerts": st.integers() | JSON,
        "commonLabels": LABELS | JSON,
        "externalURL": ADDRESSES | JSON,
        "groupKey": JSON,
    },
)
BODIES = (
    WEBHOOK.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=100) | JSON.map(json.dumps).map(str.encode)
)


@cases(10)
@given(BODIES | st.sampled_from([b"[" * 50_000, b'{"a":' * 50_000, b"9" * 10_000, b'{"alerts":' + b"[{" * 20_000]))
def test_any_webhook_is_a_message_or_refused_and_a_message_is_within_the_robots_limits(body):
    begin()
    try:
        message = parse(body)
    except PayloadError as refused:
        return short(str(refused))
    for robot in (DingTalk, WeChat, Feishu):
        made = robot(Secret("http://x"), Secret("s")).body([message])
        assert len(made) <= (robot.limit if robot is not WeChat else 30_000)
        json.loads(made)
    return None


def short(reason):
    """A refusal is one line, and does not repeat what it refuses."""
    assert len(reason) <= 300
    assert "\n" not in reason


def test_the_bridge_answers_any_request_and_takes_none_without_the_token(caplog):
    token = "tökén-of-the-bridge"
    bridge = Bridge(BridgeConfig({}, Secret(token), 1.0, 10_000), "alerts/runbooks")
    right = f"Bearer {token}".encode()
    tokens = (
        st.none() | HEADER_VALUES | st.sampled_from([right, right + b" ", right[:-1], b"Bearer", b"bearer " + right])
    )
    lengths = st.none() | HEADER_VALUES | st.sampled_from([b"9" * 5_000, b"-1", b"10001", "٣".encode()])
    channels = st.sampled_from(["dingtalk", "wecom", "email", "heartbeat", "none", "..%2f", "x\n"])

    try:
        with asyncio.Runner() as runner:

            @cases(6)
            @given(channels, BODIES, tokens, lengths)
            def holds(channel, body, shown, length):
                begin()
                headers = [(b"authorization", shown)] if shown is not None else []
                headers += [(b"content-length", length)] if length is not None else []
                answer = runner.run(request(bridge.app, "POST", f"/notify/{channel}", body=body, headers=headers))
                assert answer.raised is None
                if channel in ("none", "..%2f", "x\n"):
                    assert answer.status == 404
                elif shown != right:
                    assert answer.status == 401
                else:
                    assert answer.status in (200, 400, 413)
                scraped = runner.run(request(bridge.app, "GET", "/metrics", headers=[(b"accept", shown or b"")]))
                assert scraped.status == 200

            holds()
    finally:
        bridge.end()
    assert all("\n" not in record.getMessage() for record in caplog.records if record.name == "wxiai_otel.bridge")


CODES = st.sampled_from([0, 1, -1, 9499, 130101]) | JSON
SAID = st.fixed_dictionaries({}, optional={"errcode": CODES, "code": CODES, "errmsg": JSON, "msg": JSON})


@cases(6)
@given(
    st.sampled_from([DingTalk, WeChat, Feishu]),
    SAID.map(lambda said: json.dumps(said).encode())
    | st.binary(max_size=60)
    | st.sampled_from([b"[" * 60_000, b"{" * 9_000]),
    st.sampled_from([200, 204, 302, 400, 429, 500, 999]),
    st.none() | st.floats(0),
)
def test_whatever_a_robot_answers_it_is_accepted_or_refused_and_accepted_only_with_its_code(robot, body, status, after):
    begin()
    message = Message((Alert("X", "critical", "x"),))
    before, posting.post = posting.post, lambda *_: Answer(status, body, after)
    try:
        robot(Secret("http://x?key=token-0123456789abcdef"), Secret("")).send([message], 1.0)
    except NotDelivered as refused:
        return short(refused.reason)
    finally:
        posting.post = before
    assert status == 200
    assert json.loads(body)[robot.code] == 0
    return None


OWN = re.compile(r"## |\*\*|---|> |- |\[\w")
ALERTS = st.builds(
    Alert,
    name=TEXT,
    severity=TEXT,
    summary=TEXT,
    summary_en=TEXT,
    description=TEXT,
    description_en=TEXT,
    labels=st.dictionaries(st.sampled_from(["service", "instance", "pool"]), TEXT),
    details=st.dictionaries(TELLING, TELLING, max_size=2),
)
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_THEIRS = {"link_open", "image", "html_inline", "html_block", "fence", "table_open", "code_block"}


def kinds(text):
    """What a reader of Markdown would make of a text."""
    for token in _PARSER.parse(text):
        yield token.type, token.content
        for child in token.children or ():
            yield child.type, child.content


@cases(10)
@given(ALERTS, ALERTS)
@example(Alert("x", "x", "x", description="\t0"), Alert("x", "x", "[a](http://evil.example)"))
@example(Alert("x", "x", "x", description_en="__0__"), Alert("<b>", "x", "![a](http://evil.example)"))
@example(Alert("x", "x", "x", details={"# y": ""}), Alert("x", "x", "x"))
@example(Alert("x", "x", "x\n\n# y"), Alert("x", "x", "a **b**"))
@example(Alert("x", "x", "x", summary_en="\r\t", description_en="0"), Alert("x", "x", "a\r\r# b"))
def test_nothing_in_an_alert_is_a_link_image_tag_or_heading_of_its_own(one, other):
    begin()
    plain = Alert("x", "x", "x", "x", "x", "x", labels=one.labels, details={"x": "x"})
    many = digest([Message((one,)), Message((other,))], 4_000)[0]
    for text in (markdown(Message((one,)), 100_000), many):
        found = list(kinds(text))
        assert not _THEIRS & {kind for kind, _ in found}, found
        assert sum(kind == "heading_open" for kind, _ in found) == 1
    # What is bold is ours: as many words as in an alert that says nothing.
    bold = [
        sum(kind == "strong_open" for kind, _ in kinds(markdown(Message((alert,)), 100_000))) for alert in (one, plain)
    ]
    assert bold[0] <= bold[1]
    assert "\n" not in title(Message((one,)))
    assert "<@" not in WeChat(Secret("http://x"), Secret("")).body([Message((one,))]).decode()
    assert (
        "<"
        not in json.loads(Feishu(Secret("http://x"), Secret("")).body([Message((one,))]))["card"]["elements"][0][
            "content"
        ]
    )


@cases(6)
@given(ALERTS, st.lists(ALERTS, max_size=2))
def test_a_mail_has_the_headers_that_it_is_given_and_no_other(one, others):
    begin()
    channel = Email("h", 25, "none", "", Secret(""), "from@example.com", ("to@example.com",))
    sent = channel._mail(Message((one, *others))).as_bytes()
    head, _, _ = sent.partition(b"\r\n\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    expected = b"subject from to date message-id auto-submitted content-type mime-version content-transfer-encoding"
    assert sorted(names) == sorted(expected.split())
    read = email.message_from_bytes(sent, policy=default)
    assert (read["to"], read["from"]) == ("to@example.com", "from@example.com")
    assert len(read["subject"]) < 600


SECTION = st.dictionaries(
    st.sampled_from(
        "webhook_url url secret token token_file headers enabled smtp_host smtp_port username password from to".split()
    ),
    JSON | st.sampled_from(["http://127.0.0.1:1/x", "a@b", "\ud800", "a\nb", "\x00", "/"]) | ADDRESSES,
)


@cases(4)
@given(
    st.dictionaries(
        st.sampled_from(["dingtalk", "wecom", "feishu", "email", "webhook", "enabled_channels"]), SECTION | JSON
    )
)
def test_any_configuration_of_channels_is_taken_or_is_the_documented_error(config):
    begin()
    try:
        channels = enabled(config, ())
    except AlertConfigError:
        return
    message = Message((Alert("X", "critical", "x"),))
    for channel in channels.values():
        # What was taken can be used: all of it but the network.
        for make in ("body", "_mail", "signed_url"):
            made = getattr(channel, make, None)
            if made is not None:
                made(*([] if make == "signed_url" else [[message]] if make == "body" else [message]))
