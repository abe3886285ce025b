"""From Alertmanager to the robots: the real Alertmanager, its configuration, the real bridge, robots that refuse."""

import json
import time

import pytest

from tests.alerting.test_bridge import IMPATIENT, environ
from tests.servers.alertmanager import CONFIG, alert, alertmanager, quick
from tests.servers.bridge import BRIDGE_TOKEN, bridge, bridge_here
from tests.servers.mailpit import mailpit
from tests.servers.ports import free_port
from tests.servers.robots import SECRET
from tests.until import until
from wxiai_otel import AlertManager, Delivery

pytestmark = pytest.mark.built

CHANNELS = ("dingtalk", "wechat", "feishu")


@pytest.fixture
def laid_out(tmp_path):
    """The configuration for a bridge's port and a mail server's."""

    def lay_out(bridge_port, smtp_port=1):
        (tmp_path / "bridge_token").write_text(BRIDGE_TOKEN)
        text = quick(CONFIG.read_text()).replace("http://bridge:9095/", f"http://127.0.0.1:{bridge_port}/")
        # What is tried again within it has to have the time for it.
        text = text.replace("group_interval: 500ms", "group_interval: 3s")
        text = text.replace("smtp_smarthost: mailpit:1025", f"smtp_smarthost: 127.0.0.1:{smtp_port}")
        return text.replace("/etc/alertmanager/secrets/", f"{tmp_path}/")

    return lay_out


def told(sink, name, text):
    return any(text in json.dumps(body, ensure_ascii=False) for body in sink.of(name))


def test_an_alert_reaches_everybody_and_its_end_too(sink, tmp_path, laid_out):
    annotations = {
        "summary": "错误率过高",
        "summary_en": "High error rate detected",
        "description": "5% 的请求失败",
        "runbook_url": "http://localhost:9095/runbooks/HighErrorRate",
    }
    with (
        mailpit(tmp_path) as mails,
        bridge(tmp_path, environ(sink, *CHANNELS)) as server,
        alertmanager(tmp_path, laid_out(server.port, mails.smtp)) as running,
    ):
        fault = {"symptom": "http_errors", "team": "security", "job": "api", "annotations": annotations}
        running.post(alert("HighErrorRate", **fault))
        for name in CHANNELS:
            assert until(lambda name=name: told(sink, name, "错误率过高"), 30)
        assert until(mails.messages, 30)
        (mail,) = mails.messages()
        assert mail["To"][0]["Address"] == "security@example.com"
        assert mail["Subject"] == "🚨 [CRITICAL] WXIAI告警: HighErrorRate 错误率过高"
        assert "http://localhost:9095/runbooks/HighErrorRate" in mail["Text"]
        assert "High error rate detected" in mail["Text"]
        assert "http://127.0.0.1:" in sink.of("dingtalk")[0]["markdown"]["text"].split("静默")[1]

        running.post(alert("HighErrorRate", ended=True, **fault))
        for name in CHANNELS:
            assert until(lambda name=name: told(sink, name, "告警恢复") or told(sink, name, "已恢复"), 30)
        assert until(lambda: len(mails.messages()) == 2, 30)
        assert mails.messages()[0]["Subject"] == "✅ [RESOLVED] WXIAI告警恢复: HighErrorRate 错误率过高"
        # Nobody is told twice.
        time.sleep(4)
        assert [len(sink.of(name)) for name in CHANNELS] == [2, 2, 2]
        assert len(mails.messages()) == 2
        # Channels that are not configured fail nothing.
        assert running.metric("alertmanager_notifications_failed_total", integration="webhook") == 0


@pytest.mark.usefixtures("faster")
@pytest.mark.parametrize("fault", ["errcode:310000:sign not match", "429", "500", "reset"])
def test_exactly_the_one_that_failed_is_tried_again_and_nothing_is_lost(sink, tmp_path, laid_out, fault):
    sink.forever["dingtalk"] = fault
    with (
        bridge_here({**environ(sink, *CHANNELS), **IMPATIENT}) as server,
        alertmanager(tmp_path, laid_out(server.port)) as running,
    ):
        for number in range(3):
            running.post(alert(f"Fault{number}", symptom=f"s{number}"))
        for name in ("wechat", "feishu"):
            assert until(lambda name=name: all(told(sink, name, f"Fault{n}") for n in range(3)), 30)
        assert until(
            lambda: (
                server.metrics().value("wxiai_bridge_notifications_total", channel="dingtalk", outcome="failed") >= 4
            ),
            60,
        )
        assert not sink.of("dingtalk")
        assert running.metric("alertmanager_notification_requests_failed_total", integration="webhook") >= 4

        del sink.forever["dingtalk"]
        assert until(lambda: all(told(sink, "dingtalk", f"Fault{n}") for n in range(3)), 60)
        for name in ("wechat", "feishu"):
            assert sum(json.dumps(sink.of(name)).count(f"Fault{n}") > 0 for n in range(3)) == 3
            assert len(sink.of(name)) <= 3


def test_nothing_is_lost_while_the_bridge_is_away(sink, tmp_path, laid_out):
    port = free_port()
    with alertmanager(tmp_path, laid_out(port)) as running:
        running.post(alert("Fault", symptom="s"))
        assert until(
            lambda: running.metric("alertmanager_notification_requests_failed_total", integration="webhook") > 3, 30
        )
        with bridge(tmp_path, environ(sink, "wechat"), port=port):
            assert until(lambda: told(sink, "wechat", "Fault"), 60)


def test_a_storm_of_a_hundred_faults_is_a_few_messages_and_all_are_told(sink, tmp_path, laid_out):
    with (
        bridge(tmp_path, environ(sink, "dingtalk", "webhook")) as server,
        alertmanager(tmp_path, laid_out(server.port).replace("group_interval: 3s", "group_interval: 30s")) as running,
    ):
        running.post(*(alert(f"Fault{n:03}", symptom=f"s{n}") for n in range(100)))
        assert until(lambda: all(told(sink, "webhook", f"Fault{n:03}") for n in range(100)), 60)
        assert until(lambda: all(told(sink, "dingtalk", f"Fault{n:03}") for n in range(100)), 60)
        assert len(sink.of("dingtalk")) <= 16
        assert running.metric("alertmanager_notifications_failed_total", integration="webhook") == 0


async def test_an_application_by_way_of_alertmanager(sink, tmp_path, laid_out):
    with (
        bridge(tmp_path, environ(sink, "wechat")) as server,
        alertmanager(tmp_path, laid_out(server.port)) as running,
    ):
        direct = {"webhook": {"url": sink.url("webhook")}}
        manager = AlertManager({**direct, "alertmanager": {"url": running.url}})
        sent = await manager.send_alert("CreditsImbalance", "Critical", "账不平", {"expected": 10, "team": "product"})
        assert sent == {"alertmanager": Delivery(True)}
        (one,) = running.get("/api/v2/alerts")
        assert one["labels"] == {
            "alertname": "CreditsImbalance",
            "severity": "critical",
            "symptom": "CreditsImbalance",
            "source": "wxiai-platform",
            "team": "product",
        }
        assert until(lambda: told(sink, "wechat", "账不平"), 30)
        text = sink.of("wechat")[0]["markdown"]["content"]
        assert "- expected: 10" in text
        assert not sink.of("webhook")

    # It is gone: the channels are told.
    sent = await manager.send_alert("CreditsImbalance", "critical", "账不平")
    assert not sent["alertmanager"].delivered
    assert sent["webhook"].delivered
    assert len(sink.of("webhook")) == 1


async def test_an_alertmanager_that_hangs_leaves_the_channels_their_time(sink):
    sink.forever["webhook"] = "hang"
    url = sink.url("webhook").partition("/sink")[0] + "/sink"
    dingtalk = {"webhook_url": sink.url("dingtalk"), "secret": SECRET}
    began = time.monotonic()
    sent = await AlertManager({"alertmanager": {"url": url}, "dingtalk": dingtalk, "timeout": 4}).send_alert(
        "A", "info", "t"
    )
    # Within the timeout for both of them together.
    assert time.monotonic() - began < 4
    assert (sent["alertmanager"].delivered, sent["dingtalk"].delivered) == (False, True)
