"""Each channel, to a server that checks what the real one checks."""

import json
import logging
import time

import pytest

from tests.alerting.internals import Alert, Message, NotDelivered, Secret
from tests.servers.robots import SECRET, TOKEN
from wxiai_otel.alerting import AlertManager
from wxiai_otel.alerting.channels import DingTalk, Feishu, Webhook, WeChat

ROBOTS = ["dingtalk", "wechat", "feishu"]


def make(sink, name, secret=SECRET, url=None):
    url = Secret(url or sink.url(name))
    if name == "webhook":
        return Webhook(url, {})
    return {"dingtalk": DingTalk, "wechat": WeChat, "feishu": Feishu}[name](url, Secret(secret))


def message(text="余额对不上", severity="critical", **more):
    return Message((Alert("CreditsImbalance", severity, text, **more),))


@pytest.mark.parametrize("name", [*ROBOTS, "webhook"])
def test_it_is_accepted(sink, name):
    make(sink, name).send([message()], 5)
    (body,) = sink.of(name)
    assert "CreditsImbalance" in json.dumps(body, ensure_ascii=False)
    assert "余额对不上" in json.dumps(body, ensure_ascii=False)


async def test_dingtalk_is_as_specified(sink, config):
    await AlertManager({"dingtalk": config["dingtalk"]}).send_alert("PayDown", "critical", "支付不可用", {"order": 7})
    (body,) = sink.of("dingtalk")
    assert body["msgtype"] == "markdown"
    assert body["markdown"]["title"] == "WXIAI告警: PayDown"
    lines = body["markdown"]["text"].split("\n\n")
    assert lines[0] == "## 🚨 PayDown"
    assert lines[1] == "**告警等级**: CRITICAL"
    assert lines[2] == "**告警信息**: 支付不可用"
    assert lines[3].startswith("**发生时间**: 20")
    assert lines[4] == "**系统来源**: wxiai-platform"
    assert lines[5] == "- order: 7"


async def test_the_webhook_is_as_specified(sink, config):
    await AlertManager({"webhook": config["webhook"]}).send_alert("PayDown", "warning", "支付不可用", {"order": 7})
    (body,) = sink.of("webhook")
    from datetime import datetime

    when = datetime.fromisoformat(body.pop("timestamp"))
    assert when.tzinfo is not None
    assert abs(when.timestamp() - time.time()) < 60
    assert body == {
        "alert_name": "PayDown",
        "severity": "warning",
        "message": "支付不可用",
        "details": {"order": 7},
        "source": "wxiai-platform",
    }


@pytest.mark.parametrize(("severity", "emoji"), [("critical", "🚨"), ("WARNING", "⚠️"), ("info", "ℹ️"), ("page", "📢")])
def test_the_severity_has_its_emoji(sink, severity, emoji):
    make(sink, "dingtalk").send([message(severity=severity)], 5)
    assert sink.of("dingtalk")[0]["markdown"]["text"].startswith(f"## {emoji} CreditsImbalance")


def test_resolved_says_so(sink):
    over = message(resolved=True)
    for name in [*ROBOTS, "webhook"]:
        make(sink, name).send([over], 5)
    assert sink.of("dingtalk")[0]["markdown"]["title"] == "WXIAI告警恢复: CreditsImbalance"
    assert "✅" in sink.of("wechat")[0]["markdown"]["content"]
    assert sink.of("feishu")[0]["card"]["header"]["template"] == "green"


@pytest.mark.parametrize("text", ["告" * 20_000, "🚨" * 20_000, '"\\\n' * 20_000, "<" * 20_000])
@pytest.mark.parametrize("name", ROBOTS)
def test_whatever_is_long_is_accepted(sink, name, text):
    links = (("手册", "http://localhost/runbooks/A"),)
    one = Alert("CreditsImbalance", "critical", text, description=text, description_en=text, links=links)
    make(sink, name).send([Message((one,) * 10)], 5)
    (body,) = sink.of(name)
    assert "http://localhost/runbooks/A" in json.dumps(body)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_digest_of_many_is_accepted(sink, name):
    channel = make(sink, name)
    many = [message(f"第{n}条 " + '告"' * 50) for n in range(300)]
    number = channel.fold(many)
    assert 10 < number < 300
    channel.send(many[:number], 5)
    text = json.dumps(sink.of(name), ensure_ascii=False)
    assert all(f"第{n}条" in text for n in range(number))


def test_nobody_is_called_by_what_a_user_has_written(sink):
    text = '<at user_id="all">all</at> <@all>'
    for name in ("feishu", "wechat"):
        make(sink, name).send([message(text)], 5)
    assert "<at" not in json.dumps(sink.of("feishu"))
    assert "<@" not in json.dumps(sink.of("wechat"))


REFUSED = [
    ("dingtalk", "errcode:310000:sign not match", False, False),
    ("dingtalk", "errcode:130101:send too fast", True, True),
    ("dingtalk", "errcode:-1:busy", True, False),
    ("wechat", "errcode:93000:invalid webhook url", False, False),
    ("wechat", "errcode:45009:api freq out of limit", True, True),
    ("wechat", "errcode:45033:concurrent", True, True),
    ("wechat", "errcode:-1:system busy", True, False),
    ("feishu", "errcode:19024:Key Words Not Found", False, False),
    ("feishu", "errcode:11232:frequency limited", True, True),
    ("feishu", "400code:9499:Bad Request", False, False),
    ("feishu", "400code:9499:too many request", True, True),
    ("feishu", "429code:9499:Bad Request", True, False),
    ("feishu", "500code:9499:Bad Request", True, False),
    ("webhook", "400", False, False),
    ("webhook", "410", False, False),
    *((name, "429:7", True, True) for name in [*ROBOTS, "webhook"]),
    *((name, status, True, False) for name in [*ROBOTS, "webhook"] for status in ("500", "502", "503")),
    *((name, "reset", True, False) for name in [*ROBOTS, "webhook"]),
    *((name, "html", True, False) for name in ROBOTS),
    *((name, kind, True, False) for name in [*ROBOTS, "webhook"] for kind in ("hang", "drip")),
]


@pytest.mark.parametrize(("name", "fault", "passes", "limited"), REFUSED)
def test_what_is_refused_is_no_delivery(sink, name, fault, passes, limited):
    sink.faults[name] = [fault]
    began = time.monotonic()
    with pytest.raises(NotDelivered) as refused:
        make(sink, name).send([message()], 0.5 if fault in {"hang", "drip"} else 10)
    assert time.monotonic() - began < 30
    assert (refused.value.passes, refused.value.limited) == (passes, limited)
    assert refused.value.after == (7.0 if fault == "429:7" else None)
    if fault in {"hang", "drip"}:
        assert refused.value.reason == "no answer within 0.5 s"
    if "code:" in fault:
        assert fault.split(":")[1] in refused.value.reason
        assert fault.split(":")[2] in refused.value.reason


@pytest.mark.parametrize("name", ["dingtalk", "feishu"])
def test_a_wrong_secret_is_refused(sink, name):
    with pytest.raises(NotDelivered, match=r"code (310000|19021)") as refused:
        make(sink, name, secret="another").send([message()], 5)
    assert not refused.value.passes


def test_nobody_listens(sink):
    with pytest.raises(NotDelivered, match="Connection refused") as refused:
        make(sink, "wechat", url="http://127.0.0.1:1/cgi-bin/webhook/send?key=x").send([message()], 5)
    assert refused.value.passes


def test_a_redirect_is_not_followed(sink):
    sink.faults["webhook"] = ["302"]
    with pytest.raises(NotDelivered, match="HTTP 302"):
        make(sink, "webhook").send([message()], 5)
    assert len(sink.seen) == 1


def test_by_way_of_a_proxy(sink, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{sink.server_address[1]}")
    monkeypatch.setenv("no_proxy", "localhost")
    Webhook(Secret("http://hooks.invalid/sink"), {"X-Own": Secret("1")}).send([message()], 5)
    assert len(sink.of("webhook")) == 1
    assert sink.headers[0]["Host"] == "hooks.invalid"
    assert sink.headers[0]["Proxy-Authorization"] == "Basic bWU6cGFzcw=="
    assert sink.headers[0]["X-Own"] == "1"


@pytest.mark.parametrize("fault", [None, "errcode:310000", "500", "reset", "hang"])
async def test_no_secret_is_in_a_log_an_error_or_an_answer(sink, config, caplog, fault):
    caplog.set_level(logging.DEBUG)
    for name in config["enabled_channels"]:
        sink.forever[name] = fault or "slow:0"
    manager = AlertManager({**config, "timeout": 10 if fault in {None, "errcode:310000"} else 0.7})
    told = await manager.send_alert("A", "critical", "text")
    assert all(delivery.delivered == (fault is None or (fault == "errcode:310000" and name == "webhook"))
               for name, delivery in told.items())  # fmt: skip
    shown = caplog.text + repr(told) + repr(vars(manager)) + repr([vars(s.channel) for s in manager._senders])
    assert TOKEN not in shown
    assert SECRET not in shown


def test_what_the_robot_repeats_of_the_request_is_not_told(sink):
    with pytest.raises(NotDelivered) as refused:
        make(sink, "wechat", url=sink.url("wechat") + "-and-more").send([message()], 5)
    assert "93000" in refused.value.reason
    assert TOKEN not in refused.value.reason
