"""Alerts of the application's own."""

import asyncio
import json
import threading
import time

import pytest

from tests.alerting import internals
from tests.servers.robots import SECRET, TOKEN
from tests.until import until
from wxiai_otel import AlertConfigError, AlertManager, Delivery, init_alert_manager, send_business_alert


async def test_to_all_channels(sink, config):
    manager = init_alert_manager(config)
    assert isinstance(manager, AlertManager)
    assert set(manager.channels) == set(config["enabled_channels"])
    told = await send_business_alert("CreditsImbalance", "critical", "ledger does not add up", expected=10, found=9)
    assert told == dict.fromkeys(config["enabled_channels"], Delivery(delivered=True))
    for name in config["enabled_channels"]:
        assert "ledger does not add up" in json.dumps(sink.of(name))
    assert sink.of("webhook")[0]["details"] == {"expected": 10, "found": 9}


async def test_before_init_a_warning(caplog):
    assert await send_business_alert("A", "critical", "text") == {}
    assert "call init_alert_manager(config) first" in caplog.text


async def test_one_that_hangs_holds_no_other_back(sink, config):
    sink.forever["dingtalk"] = "hang"
    sink.forever["wechat"] = "errcode:93000:invalid"
    sending = asyncio.ensure_future(AlertManager({**config, "timeout": 2}).send_alert("A", "critical", "text"))
    await asyncio.to_thread(until, lambda: sink.of("webhook") and sink.of("feishu"))
    assert not sending.done()
    began = time.monotonic()
    told = await sending
    assert time.monotonic() - began < 30
    assert {name for name, delivery in told.items() if delivery.delivered} == {"webhook", "feishu"}
    assert "no answer" in told["dingtalk"].reason
    assert told["wechat"].reason == "errcode 93000: invalid"


async def test_the_event_loop_is_not_blocked(sink, config):
    for name in config["enabled_channels"]:
        sink.forever[name] = "hang"
    timeout, before = 2, set(threading.enumerate())
    manager = AlertManager({**config, "timeout": timeout})
    longest, running = 0.0, True

    async def tick():
        nonlocal longest
        while running:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    ticking = asyncio.ensure_future(tick())
    await asyncio.gather(*(manager.send_alert(f"A{n}", "critical", "text") for n in range(50)))
    running = False
    await ticking
    assert longest < timeout / 2
    assert sum(thread.name.startswith("wxiai-otel-") for thread in set(threading.enumerate()) - before) < 40


def test_from_several_event_loops(sink, config):
    init_alert_manager({**config, "enabled_channels": ["webhook"]})
    told = []

    def run(number):
        told.append(asyncio.run(send_business_alert(f"A{number}", "info", "text")))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(8)
    assert told == [{"webhook": Delivery(delivered=True)}] * 9
    assert sorted(body["alert_name"] for body in sink.of("webhook")) == sorted(f"A{n}" for n in range(9))


async def test_a_cancelled_one_is_cancelled(sink, config):
    sink.forever["webhook"] = "hang"
    manager = AlertManager({"webhook": config["webhook"]})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(manager.send_alert("A", "info", "text"), 0.2)


async def test_whatever_is_given_is_no_exception(sink, config):
    manager = AlertManager({"webhook": config["webhook"]})

    class Rude:
        def __str__(self):
            raise ValueError

    for arguments in [(None, None, None), (Rude(), 7, b"x"), ("", "", "", 5), ("A\n\ud800", "x" * 10_000, "y" * 10**6)]:
        told = await manager.send_alert(*arguments)
        assert told["webhook"].delivered, arguments
    assert (await manager.send_alert("A", "info", "t", {"self": manager, "n": float("nan")}))["webhook"].delivered
    assert len(sink.of("webhook")) == 5


async def test_details_may_have_any_name(sink, config):
    init_alert_manager({"webhook": config["webhook"]})
    await send_business_alert("A", "info", "text", details=1, self=2, config=3)
    assert sink.of("webhook")[0]["details"] == {"details": 1, "self": 2, "config": 3}


async def test_another_init_takes_its_place(sink, config):
    first = init_alert_manager({"webhook": config["webhook"]})
    init_alert_manager({"wechat": config["wechat"]})
    assert list(await send_business_alert("A", "info", "text")) == ["wechat"]
    assert (await first.send_alert("A", "info", "text"))["webhook"] == Delivery(False, "the sender has ended")


async def test_switched_off_channels(sink, config, caplog):
    config["wechat"]["enabled"] = False
    manager = init_alert_manager({**config, "enabled_channels": ["wechat", "webhook"]})
    assert manager.channels == ("webhook",)
    assert not caplog.text
    assert init_alert_manager({"enabled_channels": []}).channels == ()
    assert "nobody is told" in caplog.text


async def test_other_words_for_the_same(sink):
    manager = AlertManager({"enabled_channels": ["wecom"], "wecom": {"webhook_url": sink.url("wechat")}})
    assert manager.channels == ("wechat",)


URL = "http://localhost/x"
MAIL = {"smtp_host": "h", "from": "a@b.c", "to": ["d@e.f"]}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "the configuration: allowed is a dictionary"),
        ({"sms": {}}, "sms is not known: allowed are enabled_channels, dingtalk, wechat, feishu, email, webhook"),
        ({"enabled_channels": "dingtalk"}, "enabled_channels: allowed is a list of dingtalk"),
        ({"enabled_channels": ["sms"]}, "enabled_channels: allowed is a list of dingtalk"),
        ({"enabled_channels": [["x"]]}, "enabled_channels: allowed is a list of dingtalk"),
        ({"enabled_channels": ["email"]}, "enabled_channels: email has no section"),
        ({"webhook": URL}, "webhook: allowed is a dictionary"),
        ({"webhook": {}}, "webhook.url is missing: allowed is an http:// or https:// URL"),
        ({"webhook": {"url": ""}}, "webhook.url: allowed is an http:// or https:// URL"),
        ({"webhook": {"url": f"ftp://{TOKEN}"}}, "webhook.url: allowed is an http:// or https:// URL"),
        ({"webhook": {"url": f"{URL} {TOKEN}"}}, "webhook.url: allowed is an http:// or https:// URL"),
        ({"webhook": {"url": URL, "headers": {"a": "b\n"}}}, "webhook.headers: allowed is a dictionary of headers"),
        ({"webhook": {"url": URL, "enabled": "perhaps"}}, "webhook.enabled: allowed is true or false"),
        (
            {"dingtalk": {"webhook_url": URL, "secrt": TOKEN}},
            "dingtalk.secrt is not known: allowed are enabled, secret",
        ),
        ({"dingtalk": {"webhook_url": URL, "secrt": TOKEN}}, "; did you mean secret?"),
        ({"dingtlak": {}}, "dingtlak is not known: allowed are enabled_channels"),
        ({"dingtlak": {}}, "; did you mean dingtalk?"),
        ({"DingTalk": {}}, "; did you mean dingtalk?"),
        ({"wecomm": {}}, "; did you mean wecom?"),
        ({"enabledChannels": []}, "; did you mean enabled_channels?"),
        ({"email": {**MAIL, "smtp-host": "x"}}, "; did you mean smtp_host?"),
        ({"alertmanager": {"url": URL, "kep": 1}}, "; did you mean keep?"),
        ({"alert_manager": {"url": URL}}, "; did you mean alertmanager?"),
        ({7: {}}, "7 is not known"),
        ({"dingtalk": {"webhook_url": URL, "secret": 7}}, "dingtalk.secret: allowed is a string"),
        ({"feishu": {"webhook_url_file": "/none"}}, "feishu.webhook_url_file: allowed is a file that can be read"),
        ({"email": {**MAIL, "to": []}}, "email.to: allowed is a list of mail addresses"),
        ({"email": {**MAIL, "to": "x"}}, "email.to: allowed is a mail address such as"),
        ({"email": {**MAIL, "from": "x\ny@z"}}, "email.from: allowed is a mail address"),
        ({"email": {**MAIL, "smtp_port": 70_000}}, "email.smtp_port: allowed is a port from 1 to 65535"),
        ({"email": {**MAIL, "security": "tls"}}, "email.security: allowed is one of auto, starttls, ssl, none"),
        ({"email": {**MAIL, "username": "u"}}, "email: username and password are allowed together"),
        ({"email": {"smtp_host": "h", "to": ["d@e.f"]}}, "email.from is missing: allowed is a mail address"),
        ({"alertmanager": {}}, "alertmanager.url is missing: allowed is an http"),
        ({"alertmanager": {"url": URL, "x": 1}}, "alertmanager.x is not known"),
        ({"timeout": 0}, "config.timeout: allowed is a number greater than 0, got 0"),
        ({"timeout": "10s"}, "config.timeout: allowed is a number greater than 0, got '10s'"),
        ({"webhook": {"url": URL, "headers": {"x-token": [TOKEN]}}}, "webhook.headers: allowed is a dictionary"),
        ({"webhook": {"url_file": [TOKEN]}}, "webhook.url_file: allowed is a string"),
    ],
)
def test_what_is_not_allowed_is_named_and_shows_no_secret(config, said):
    with pytest.raises(AlertConfigError) as refused:
        init_alert_manager(config)
    assert said in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_refused_configuration_leaves_the_one_before(config):
    before = init_alert_manager(config)
    with pytest.raises(AlertConfigError):
        init_alert_manager({"sms": {}})
    assert internals.manager._manager is before


async def test_secrets_from_files(sink, tmp_path):
    (tmp_path / "url").write_text(sink.url("dingtalk") + "\n")
    (tmp_path / "secret").write_text(SECRET + "\n")
    section = {"webhook_url_file": str(tmp_path / "url"), "secret_file": str(tmp_path / "secret")}
    assert (await AlertManager({"dingtalk": section}).send_alert("A", "info", "text"))["dingtalk"].delivered
