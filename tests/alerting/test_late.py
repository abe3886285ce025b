"""What has ended while a channel was away is told all the same, once, and by nobody but the bridge."""

import json
import time

import pytest

from tests.alerting.test_bridge import environ, group, one
from tests.servers.bridge import bridge_here
from tests.until import until

LATE = 1.0
FAILING = "errcode:310000:refused"  # no further attempt: the answer comes at once


@pytest.fixture
def running(sink):
    with bridge_here(environ(sink, "dingtalk", "wechat"), late=LATE) as server:
        yield server


def held(server, channel="dingtalk"):
    return server.metrics().value("wxiai_bridge_held_messages", channel=channel)


def texts(sink, robot="dingtalk"):
    return [json.dumps(body, ensure_ascii=False) for body in sink.of(robot)]


def test_what_alertmanager_tries_no_more_is_told_when_the_channel_is_back(running, sink):
    sink.forever["dingtalk"] = FAILING
    for key in ("a", "b"):
        assert running.notify("dingtalk", group(one(f"Fault{key.upper()}"), groupKey=key))[0] == 503
        assert running.notify("wechat", group(one(f"Fault{key.upper()}"), groupKey=key))[0] == 200
    assert held(running) == 2
    # It goes on trying while the channel is away, and tells nobody else.
    before = len(sink.attempts("dingtalk"))
    assert until(lambda: len(sink.attempts("dingtalk")) > before)
    del sink.forever["dingtalk"]
    assert until(lambda: held(running) == 0)
    time.sleep(1.5 * LATE)
    for name in ("FaultA", "FaultB"):
        assert sum(name in text for text in texts(sink)) == 1
    assert all("延迟送达" in text or "汇总" in text for text in texts(sink))
    assert len(texts(sink, "wechat")) == 2
    assert not any("延迟送达" in text for text in texts(sink, "wechat"))


def test_what_alertmanager_has_delivered_is_not_told_again(running, sink):
    sink.faults["dingtalk"] = [FAILING]
    assert running.notify("dingtalk", group(groupKey="a"))[0] == 503
    assert held(running) == 1
    assert running.notify("dingtalk", group(groupKey="a"))[0] == 200
    assert held(running) == 0
    time.sleep(1.5 * LATE)
    assert len(texts(sink)) == 1
    assert "延迟送达" not in texts(sink)[0]


def test_while_alertmanager_tries_again_the_bridge_does_not(running, sink):
    sink.forever["dingtalk"] = FAILING
    for _ in range(6):
        assert running.notify("dingtalk", group(groupKey="a"))[0] == 503
        time.sleep(LATE / 4)
    assert len(sink.attempts("dingtalk")) == 6
    assert held(running) == 1


@pytest.mark.parametrize(
    "payload",
    [group(one(status="resolved"), status="resolved", groupKey="a"), group()],
    ids=["the end of what was told", "of no group"],
)
def test_what_is_not_held(running, sink, payload):
    sink.faults["dingtalk"] = [FAILING]
    assert running.notify("dingtalk", payload)[0] == 503
    assert held(running) == 0
