"""The bridge: what it takes, what it answers, what it says of itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.alerting import internals
from tests.servers.bridge import BRIDGE_TOKEN, bridge, bridge_here
from tests.servers.robots import SECRET, TOKEN
from tests.until import until
from wxiai_otel.alerting import AlertConfigError
from wxiai_otel.cli import main

CHANNELS = ["dingtalk", "wechat", "feishu", "webhook"]
# What is refused is tried again for so long.
IMPATIENT = {"WXIAI_BRIDGE_TIMEOUT": "0.8"}


def environ(sink, *names):
    made = {}
    for name in names:
        made[f"WXIAI_BRIDGE_{name.upper()}_{'URL' if name == 'webhook' else 'WEBHOOK_URL'}"] = sink.url(name)
        if name in {"dingtalk", "feishu"}:
            made[f"WXIAI_BRIDGE_{name.upper()}_SECRET"] = SECRET
    return made


def one(name="HighErrorRate", status="firing", **labels):
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "team": "platform", "service": "api", **labels},
        "annotations": {
            "summary": "错误率过高",
            "summary_en": "High error rate",
            "description": "5% 的请求失败",
            "description_en": "5% of requests failed",
            "runbook_url": "http://localhost:9095/runbooks/HighErrorRate",
            "dashboard_url": "http://localhost:3000/d/x",
        },
        "startsAt": "2026-11-24T10:00:00.123456789Z",
        "endsAt": "2026-11-24T10:05:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://localhost:9090/graph",
    }


def group(*alerts, **more):
    alerts = alerts or (one(),)
    return {
        "version": "4",
        "status": "firing",
        "commonLabels": {"alertname": "HighErrorRate", "severity": "critical"},
        "externalURL": "http://localhost:9093",
        "alerts": list(alerts),
        "truncatedAlerts": 0,
        **more,
    }


@pytest.fixture
def running(sink):
    with bridge_here(environ(sink, *CHANNELS)) as server:
        yield server


def test_each_path_is_a_channel(running, sink):
    for name in [*CHANNELS, "wecom"]:
        assert running.notify(name, group()) == (200, {"status": "delivered"})
    assert [len(sink.of(name)) for name in CHANNELS] == [1, 2, 1, 1]
    text = sink.of("wechat")[0]["markdown"]["content"]
    for shown in (
        "## 🚨 HighErrorRate",
        "**告警等级**: CRITICAL",
        "**告警信息**: 错误率过高",
        "5% 的请求失败",
        "> High error rate — 5% of requests failed",
        "service=api",
        "[处置手册 Runbook](http://localhost:9095/runbooks/HighErrorRate)",
        "[仪表盘 Dashboard](http://localhost:3000/d/x)",
        "[静默 Silence](http://localhost:9093/#/silences/new?filter=%7Balertname%3D%22HighErrorRate%22%2Cseverity%3D%22critical%22%7D)",
    ):
        assert shown in text


def test_a_group_is_one_message(running, sink):
    alerts = [one("A", "resolved"), one("B", severity="warning"), one("C")]
    assert running.notify("dingtalk", group(*alerts, truncatedAlerts=4))[0] == 200
    assert running.notify("webhook", group(*alerts, truncatedAlerts=4))[0] == 200
    text = sink.of("dingtalk")[0]["markdown"]["text"]
    assert sink.of("dingtalk")[0]["markdown"]["title"] == "WXIAI告警: C"
    assert text.index("🚨 C") < text.index("⚠️ B") < text.index("✅ A")
    assert "另有 4 条" in text
    body = sink.of("webhook")[0]
    assert (body["alert_name"], body["severity"], body["details"]["omitted"]) == ("C", "critical", 4)
    assert [(a["alert_name"], a["status"]) for a in body["details"]["alerts"]] == [
        ("A", "resolved"),
        ("B", "firing"),
        ("C", "firing"),
    ]
    assert datetime.fromisoformat(body["timestamp"]) == datetime.fromisoformat("2026-11-24T10:00:00.123456+00:00")


@pytest.mark.parametrize("fault", ["errcode:310000:sign", "429", "400", "404", "500", "reset", "html"])
def test_every_refusal_is_answered_503(sink, fault):
    sink.forever["dingtalk"] = fault
    with bridge_here({**environ(sink, "dingtalk"), **IMPATIENT}) as running:
        status, said = running.notify("dingtalk", group())
        assert status == 503
        assert said["status"] == "failed"
        metrics = running.metrics()
    assert metrics.value("wxiai_bridge_notifications_total", channel="dingtalk", outcome="failed") == 1
    assert metrics.value("wxiai_bridge_notifications_total", channel="dingtalk", outcome="delivered") == 0


def test_a_robot_that_hangs_is_answered_in_time(sink):
    sink.forever["wechat"] = "hang"
    with bridge_here({**environ(sink, "wechat"), **IMPATIENT}) as server:
        began = time.monotonic()
        assert server.notify("wechat", group())[0] == 503
        assert time.monotonic() - began < 30


def test_a_channel_that_nobody_has_configured_fails_nobody():
    with bridge_here({}) as server:
        assert server.notify("feishu", group()) == (200, {"status": "off"})
        assert server.metrics().value("wxiai_bridge_notifications_total", channel="feishu", outcome="off") == 1
        assert server.metrics().value("wxiai_bridge_channel_enabled", channel="feishu") == 0
        assert server.metrics().value("wxiai_bridge_heartbeat_timestamp_seconds") == 0
        assert server.notify("heartbeat", group(one("Watchdog")))[0] == 200
        assert abs(server.metrics().value("wxiai_bridge_heartbeat_timestamp_seconds") - time.time()) < 30


def test_the_heartbeat_goes_where_it_is_told_to(sink):
    with bridge_here({"WXIAI_BRIDGE_HEARTBEAT_URL": sink.url("webhook")}) as server:
        assert server.notify("heartbeat", group(one("Watchdog"))) == (200, {"status": "delivered"})
    assert sink.of("webhook")[0]["alert_name"] == "Watchdog"


def test_nobody_without_the_token(running, sink):
    for token in (None, "", "another", BRIDGE_TOKEN + "x", "ö"):
        status, _, headers = running.ask("POST", "/notify/wechat", json.dumps(group()).encode(), token)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert not sink.seen
    assert running.metrics().value("wxiai_bridge_notifications_total", channel="wechat", outcome="invalid") == 5


BAD = [
    (b"{", "the body: allowed is JSON"),
    (b"\xff", "the body: allowed is JSON"),
    (b"[" * 100_000, "the body: allowed is JSON"),
    ({"alerts": [one()], "more": [{}] * 60_000}, "the body: allowed is JSON of at most 50,000 objects and lists"),
    ([], "the body: allowed is an object"),
    ({}, "alerts: allowed is a list of at least one alert"),
    (group(alerts=[]), "alerts: allowed is a list of at least one alert"),
    (group(alerts=[1]), "alerts[0]: allowed is an object"),
    (group(one(), {**one(), "status": "x"}), "alerts[1].status: allowed is firing or resolved"),
    (group({**one(), "labels": {"a": 1}}), "alerts[0].labels: allowed is an object of strings"),
    (group({**one(), "labels": {}}), "alerts[0].labels.alertname is missing"),
    (group({**one(), "annotations": []}), "alerts[0].annotations: allowed is an object of strings"),
    (group({**one(), "startsAt": "yesterday"}), "alerts[0].startsAt: allowed is a time of RFC 3339"),
    (group({**one(), "startsAt": "2026-01-01"}), "alerts[0].startsAt: allowed is a time of RFC 3339"),
    (group(truncatedAlerts=-1), "truncatedAlerts: allowed is a whole number"),
    (group(commonLabels=7), "commonLabels: allowed is an object of strings"),
]


def test_what_is_not_alertmanagers_is_answered_400_and_named(running, sink):
    for payload, said in BAD:
        status, answer = running.notify("wechat", payload)
        assert status == 400, said
        assert said in answer["error"]
    assert not sink.seen


def test_size_methods_and_paths(running, sink):
    large = group(one(x="y" * 2**20))
    assert running.notify("wechat", large)[0] == 413
    assert running.ask("POST", "/notify/wechat", iter([b"x" * 2**19] * 4), **{"Transfer-Encoding": "chunked"})[0] == 413
    status, answer = running.notify("sms", group())
    assert status == 404
    assert "allowed are dingtalk, wechat, feishu, email, webhook" in answer["error"]
    assert running.ask("GET", "/notify/wechat")[0] == 405
    assert not sink.seen


def test_a_storm_is_folded_and_every_notification_is_answered(running, sink):
    def waiting():
        return running.metrics().value("wxiai_bridge_queue_length", channel="dingtalk")

    sink.faults["dingtalk"] = ["hold"]
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(running.notify, "dingtalk", group(one(f"Alert{n:02}"))) for n in range(40)]
        until(waiting, equals=39)
        sink.released.set()
    assert [answer.result() for answer in answers] == [(200, {"status": "delivered"})] * 40
    bodies = json.dumps(sink.of("dingtalk"))
    assert all(f"Alert{n:02}" in bodies for n in range(40))
    assert len(sink.of("dingtalk")) <= 14
    metrics = running.metrics()
    assert metrics.value("wxiai_bridge_notifications_total", channel="dingtalk", outcome="delivered") == 40
    assert metrics.value("wxiai_bridge_folded_messages_total", channel="dingtalk") >= 26
    assert metrics.value("wxiai_bridge_queue_length", channel="dingtalk") == 0
    assert metrics.value("wxiai_bridge_notification_duration_seconds_count", channel="dingtalk") == 40


def test_links_are_addresses_and_nothing_else(running, sink):
    for bad in ("javascript:alert(1)", "http://[", "x" * 5000, ""):
        alert = one()
        alert["annotations"] |= {"runbook_url": bad, "dashboard_url": "http://a/b c(d)"}
        assert running.notify("wechat", group(alert))[0] == 200
    for body in sink.of("wechat"):
        assert "手册" not in body["markdown"]["content"]
        assert "(http://a/b%20c%28d%29)" in body["markdown"]["content"]


def test_metrics_are_there_from_the_start(running):
    metrics = running.metrics()
    for name in CHANNELS:
        for outcome in ("delivered", "failed", "off", "invalid"):
            assert metrics.value("wxiai_bridge_notifications_total", channel=name, outcome=outcome) == 0
        assert metrics.value("wxiai_bridge_attempts_total", channel=name, outcome="rejected") == 0
    assert "# EOF" in running.ask("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")[1]


def test_health(running):
    status, text, _ = running.ask("GET", "/health", token=None)
    assert status == 200
    channels = {"dingtalk": "on", "wechat": "on", "feishu": "on", "webhook": "on", "email": "off", "heartbeat": "off"}
    assert json.loads(text) == {"status": "healthy", "channels": channels}


def test_no_secret_is_in_its_log(sink, tmp_path):
    sink.forever["dingtalk"] = "500"
    with bridge(tmp_path, {**environ(sink, *CHANNELS), **IMPATIENT}) as running:
        for name in [*CHANNELS, "email"]:
            running.notify(name, group())
            running.notify(name, b"{")
        log = running.log
    assert "channels switched on: dingtalk, wechat, feishu, webhook" in log
    assert "dingtalk: HighErrorRate not delivered: HTTP 500" in log
    for secret in (TOKEN, SECRET, BRIDGE_TOKEN):
        assert secret not in log


def test_it_ends_in_time_and_answers_what_waits(sink, tmp_path):
    sink.faults["dingtalk"] = ["hold"]
    with bridge(tmp_path, environ(sink, "dingtalk")) as server, ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(server.notify, "dingtalk", group(one(f"Alert{n:02}"))) for n in range(20)]
        until(lambda: server.metrics().value("wxiai_bridge_queue_length", channel="dingtalk"), equals=19)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: sum(answer.done() for answer in answers), equals=19)
        sink.released.set()
        server.process.wait(30)
        statuses = [answer.result()[0] for answer in answers]
    # What was under way is delivered; what waited is Alertmanager's again.
    delivered = json.dumps(sink.of("dingtalk"))
    assert set(statuses) == {200, 503}
    assert [status == 200 for status in statuses] == [f"Alert{n:02}" in delivered for n in range(20)]


def test_it_ends_though_a_robot_hangs(sink, tmp_path):
    sink.forever["wechat"] = "hang"
    timeout = {"WXIAI_BRIDGE_TIMEOUT": "2"}
    with bridge(tmp_path, {**environ(sink, "wechat"), **timeout}) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.notify, "wechat", group())
        until(lambda: sink.attempts("wechat"))
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)  # the robot hangs longer
        assert answer.result()[0] == 503


def test_an_attempt_is_over_before_the_bridge_ends():
    assert internals.sender.ATTEMPT_SECONDS < internals.serve._END_SECONDS


@pytest.fixture
def refused(monkeypatch, capsys):
    """Runs the command in this process, where it refuses to start. Returns what it says."""
    for name in [name for name in os.environ if name.startswith("WXIAI_")]:
        monkeypatch.delenv(name)

    def run(*arguments):
        assert main(["bridge", *arguments]) == 1
        return capsys.readouterr().err

    return run


def command(*arguments, **environ):
    words = [sys.executable, "-m", "wxiai_otel.cli", "bridge", *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("WXIAI_")}
    return subprocess.run(words, env={**env, **environ}, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'[dingtalk]\nwebhook_url = "{TOKEN}', "allowed is TOML"),
        ('[dingtalk]\nwebhook_url = "x"', "dingtalk.webhook_url: allowed is an http:// or https:// URL"),
        ("[bridge]\ntimout = 1", "bridge.timout is not known: allowed are max_body, timeout, token, token_file"),
        ("[bridge]\nmax_body = 0", "bridge.max_body: allowed is a whole number of at least 1"),
        ("[sms]", "sms is not known: allowed are"),
    ],
)
def test_a_configuration_that_is_not_allowed_is_one_line(tmp_path, refused, content, said):
    file = tmp_path / "bridge.toml"
    file.write_text(content)
    (line,) = refused("--config", str(file)).splitlines()
    assert line.startswith("wxiai-otel: ")
    assert said in line
    assert TOKEN not in line


def test_other_arguments_that_are_not_allowed(tmp_path, refused, capsys):
    assert "allowed is a file that can be read" in refused("--config", str(tmp_path / "none"))
    assert "bridge.token is missing: 0.0.0.0 is not loopback" in refused("--host", "0.0.0.0")
    with pytest.raises(SystemExit, match="2"):
        main(["bridge", "--port", "0"])
    assert "allowed is a port from 1 to 65535" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(tmp_path):
    for name in ("uvicorn", "markdown_it"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name='{name}')")
        done = command(PYTHONPATH=str(tmp_path))
        (tmp_path / f"{name}.py").unlink()
        assert done.stderr == f"wxiai-otel: {name} is not installed: pip install 'wxiai-otel[bridge]'\n"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WXIAI_BRIDGE_TIMOUT", TOKEN, "bridge.timout (from WXIAI_BRIDGE_TIMOUT) is not known: allowed are max_body"),
        ("WXIAI_BRIDGE_TIMOUT", TOKEN, "; did you mean WXIAI_BRIDGE_TIMEOUT?"),
        ("WXIAI_BRIDGE_DINGTLAK_WEBHOOK_URL", TOKEN, "; did you mean WXIAI_BRIDGE_DINGTALK_WEBHOOK_URL?"),
        ("WXIAI_BRIDGE_DINGTALKWEBHOOK_URL", TOKEN, "; did you mean WXIAI_BRIDGE_DINGTALK_WEBHOOK_URL?"),
        ("WXIAI_BRIDGE_DINGTALK_SECRT", TOKEN, "; did you mean WXIAI_BRIDGE_DINGTALK_SECRET?"),
        ("WXIAI_BRIDGE_WECOM_WEBHOKURL", TOKEN, "; did you mean WXIAI_BRIDGE_WECOM_WEBHOOK_URL?"),
        ("WXIAI_BRIDGE_HEARTBEAT_URLS", TOKEN, "; did you mean WXIAI_BRIDGE_HEARTBEAT_URL?"),
        ("WXIAI_BRIDGE_PORT", "9095", "; did you mean wxiai-otel bridge --port?"),
        (
            "WXIAI_BRIDGE_TIMEOUT",
            "25s",
            "bridge.timeout: allowed is a number greater than 0, got '25s' (from WXIAI_BRIDGE_TIMEOUT)",
        ),
        ("WXIAI_BRIDGE_WEBHOOK_URL", TOKEN, "allowed is an http:// or https:// URL (from WXIAI_BRIDGE_WEBHOOK_URL)"),
    ],
)
def test_a_variable_that_is_not_allowed_is_named_and_shows_no_secret(variable, value, said):
    with pytest.raises(AlertConfigError) as refused:
        internals.config.load(None, {variable: value})
    assert said in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("variable", ["WXIAI_BRIGDE_TIMEOUT", "wxiai_bridge_timeout", "WXIAI-BRIDGE-TIMEOUT"])
def test_one_that_is_nearly_its_own_is_logged(variable, caplog):
    assert internals.config.load(None, {variable: "1"}).timeout == internals.config.TIMEOUT_SECONDS
    assert caplog.messages == [
        f"environment variable {variable} is ignored: there is no such setting; did you mean WXIAI_BRIDGE_TIMEOUT?"
    ]


def test_the_file_and_the_environment_over_it(sink, tmp_path):
    (tmp_path / "secret").write_text("wrong")
    file = tmp_path / "bridge.json"
    section = {"webhook_url": sink.url("dingtalk"), "secret_file": str(tmp_path / "secret")}
    file.write_text(json.dumps({"dingtalk": section, "wechat": {"enabled": False, "webhook_url": "http://x"}}))
    with bridge(tmp_path, {"WXIAI_BRIDGE_DINGTALK_SECRET": SECRET}, "--config", str(file)) as server:
        assert server.notify("dingtalk", group()) == (200, {"status": "delivered"})
        assert server.notify("wechat", group()) == (200, {"status": "off"})


def test_a_port_that_is_taken_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("--port", str(taken.getsockname()[1]))
    assert done.returncode != 0
    assert "address already in use" in done.stderr
