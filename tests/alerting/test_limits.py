"""What a robot, a mail server or a flood of alerts can cause: delays, slow and endless responses, memory."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from tests.alerting import internals
from tests.alerting.internals import Rate
from tests.alerting.test_bridge import environ, group, one
from tests.servers.bridge import bridge, bridge_here
from tests.servers.robots import FLOODS
from tests.test_remote import DELAYS
from tests.until import until
from wxiai_otel import init_alert_manager, send_business_alert

CHANNELS = ("dingtalk", "wechat", "feishu", "webhook")
# In a header without its own syntax, and as bytes of UTF-8.
SENT = [value.encode().decode("latin-1") for value, _ in DELAYS if value.isprintable() and len(value) < 1_000]
REFUSED = "errcode:310000:refused"  # no further attempt: the answer comes at once


async def told(config, *names, severity="critical"):
    """Return what becomes of alerts that are sent one after the other, on all channels."""
    init_alert_manager(config)
    return [await send_business_alert(name, severity, "text") for name in names]


def of(config, *names, timeout=2.0):
    return {**{name: config[name] for name in names}, "enabled_channels": list(names), "timeout": timeout}


@pytest.mark.parametrize("severity", ["critical", "info"])
async def test_a_requested_delay_mutes_no_channel(sink, config, severity):
    for name in CHANNELS:
        sink.faults[name] = ["429:3600"]
    first, second = await told(of(config, *CHANNELS), "A1", "A2", severity=severity)

    assert all(delivery.delivered for delivery in first.values()), first
    assert all(delivery.delivered for delivery in second.values()), second
    for name in CHANNELS:
        early, late = sink.attempts(name)[:2]
        assert late - early > 0.3, "the delay is respected for as long as the message has time"


@pytest.mark.parametrize("value", [*SENT, "1|3600", "\xb2"], ids=lambda value: repr(value)[:40])
async def test_whatever_a_response_requests_later_alerts_are_delivered(sink, config, value):
    sink.faults["dingtalk"] = [f"429:{value}"]
    results = await told(of(config, "dingtalk", timeout=1.2), "A1", "A2")

    assert results[1]["dingtalk"].delivered, results


async def test_a_channel_that_goes_on_refusing_is_tried_for_every_alert(sink, config, monkeypatch):
    # No second attempt: it would have whatever is left of the time, and may be the one that is reported.
    monkeypatch.setattr(internals.sender.random, "uniform", lambda low, high: 10)
    sink.forever["dingtalk"] = "429:3600"
    results = await told(of(config, "dingtalk"), "A1", "A2", "A3")
    assert [result["dingtalk"].reason for result in results] == ["HTTP 429"] * 3
    sink.forever.clear()
    assert (await send_business_alert("A4", "critical", "text"))["dingtalk"].delivered


def test_a_pause_ends_after_the_longest_delay(sink, monkeypatch):
    monkeypatch.setattr(internals.remote, "MAX_DELAY_SECONDS", 0.5)
    sink.faults["dingtalk"] = ["429:3600"]
    with bridge_here(environ(sink, "dingtalk")) as server, ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda name: server.notify("dingtalk", group(one(name)))[0], ["A1", "A2"]))
        assert answers == [200, 200]
        # Without it they would be sent at the last call, which is 5 s before the bridge's timeout.
        assert time.monotonic() - began < internals.config.TIMEOUT_SECONDS - internals.sender.ATTEMPT_SECONDS


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize("channel", ["dingtalk", "webhook"])
async def test_a_response_is_bounded_in_time_and_size(sink, config, kind, channel):
    sink.forever[channel] = f"flood:{kind}"
    began = time.monotonic()
    ((result,),) = [each.values() for each in await told(of(config, channel, timeout=0.8), "A1")]

    assert time.monotonic() - began < 30
    assert channel == "webhook" or not result.delivered
    # The thread of the attempt is free again: what it was sent later is delivered.
    sink.forever.clear()

    def delivered():
        return asyncio.run(send_business_alert("A2", "critical", "text"))[channel].delivered

    await asyncio.to_thread(until, delivered)
    assert sink.flooded < 64 * 2**20  # what sockets hold, and what is written before the client has gone


class MailServer:
    """An SMTP server that repeats a given reply."""

    def __init__(self, repeated: bytes, pause: float) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(repeated, pause))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self, repeated: bytes, pause: float) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.is_set():
                connection, _ = self._listening.accept()
                with connection, contextlib.suppress(OSError):
                    while not self._ended.wait(pause):
                        connection.sendall(repeated)


@pytest.mark.parametrize(
    ("repeated", "pause"),
    [
        (b"2", 0.05),
        (b"220-hello\r\n", 0.05),
        (b"220-" + 4_000 * b"x" + b"\r\n", 0),
        (b"220-\r\n", 0),
        (2**16 * b"2", 0),
        (b"", 0.05),
    ],
    ids=["slow byte", "slow lines", "lines", "short lines", "one line", "silence"],
)
async def test_replies_of_a_mail_server_are_bounded_in_time_and_size(repeated, pause):
    with MailServer(repeated, pause) as server:
        mail = {"smtp_host": "127.0.0.1", "port": server.port, "security": "none", "from": "a@b.c", "to": "d@e.f"}
        began = time.monotonic()
        (result,) = await told({"email": mail, "timeout": 0.5}, "A1")
        assert not result["email"].delivered
        assert time.monotonic() - began < 30


def test_without_room_in_the_queue_alertmanager_retries(sink, monkeypatch, caplog):
    monkeypatch.setattr(internals.sender, "MAX_WAITING_BYTES", 1)
    with bridge_here(environ(sink, "webhook", "wechat")) as server:
        for _ in range(3):
            status, said = server.notify("webhook", group(groupKey="a"))
            assert status == 503
            assert "wait already" in said["reason"]
        metrics = server.metrics()
        assert metrics.value("wxiai_bridge_dropped_messages_total", channel="webhook", room="queue") == 3
        assert metrics.value("wxiai_bridge_dropped_messages_total", channel="wechat", room="queue") == 0
        assert held(server, "webhook") == 1
    logged = [record.getMessage() for record in caplog.records if "no room in queue" in record.getMessage()]
    assert len(logged) == 1, "at most one line a minute"


def held(server, channel):
    return server.metrics().value("wxiai_bridge_held_messages", channel=channel)


def test_a_group_that_is_refused_again_and_again_takes_its_room_once(monkeypatch):
    dropped = []
    late = internals.late.Late({"feishu": None}, 60, 1, dropped.append)
    message = internals.Message((internals.Alert("A1", "critical", "text"),), group="a")
    monkeypatch.setattr(internals.late, "MAX_HELD_BYTES", 3 * internals.weight(message))
    for _ in range(10):
        late.refused("feishu", message)
    assert (late.held("feishu"), dropped) == (1, [])


def test_of_what_is_held_the_least_severe_goes_first_then_the_oldest(sink, monkeypatch):
    monkeypatch.setattr(internals.late, "MAX_HELD_BYTES", 30_000)
    monkeypatch.setattr(internals.sender, "Rate", lambda burst, interval: Rate(burst, interval / 100))
    for name in ("feishu", "webhook"):
        sink.forever[name] = "403"
    late = 0.5
    with bridge_here(environ(sink, "feishu", "webhook"), late=late) as server:
        severities = ("critical", "info", "warning", "critical")
        for number, severity in enumerate((*severities, *["warning"] * 20)):
            for name in ("feishu", "webhook")[: 1 if number < len(severities) else 2]:
                answer = server.notify(name, group(one(f"A{number:02}", severity=severity), groupKey=f"{number}"))
                assert answer[0] == 503
        kept = held(server, "feishu") + held(server, "webhook")
        assert 4 < kept < 20
        dropped = sum(
            server.metrics().value("wxiai_bridge_dropped_messages_total", channel=name, room="late")
            for name in ("feishu", "webhook")
        )
        assert kept + dropped == 44
        sink.forever.clear()
        assert until(lambda: held(server, "feishu") + held(server, "webhook") == 0)
    texts = json.dumps(sink.of("feishu"))
    assert "A00" in texts
    assert "A03" in texts
    assert "A01" not in texts
    assert "A02" not in texts
    assert "A23" in texts


def test_a_long_name_of_a_group_is_kept_short(sink):
    sink.faults["webhook"] = ["403"]
    key = "k" * 900_000
    with bridge_here(environ(sink, "webhook")) as server:
        assert server.notify("webhook", group(groupKey=key))[0] == 503
        assert held(server, "webhook") == 1
        assert server.notify("webhook", group(groupKey=key))[0] == 200
        assert held(server, "webhook") == 0


def test_of_a_large_group_the_most_urgent_alerts_are_shown_and_the_others_counted(sink):
    alerts = [one(f"Over{n}", "resolved") for n in range(300)] + [one(f"Info{n}", severity="info") for n in range(300)]
    with bridge_here(environ(sink, "webhook")) as server:
        assert server.notify("webhook", group(*alerts, one("Worst"), truncatedAlerts=7))[0] == 200
    (body,) = sink.of("webhook")
    assert body["alert_name"] == "Worst"
    shown = [alert["alert_name"] for alert in body["details"]["alerts"]]
    assert len(shown) == 50
    assert {name.rstrip("0123456789") for name in shown} == {"Worst", "Info"}
    assert len(shown) + body["details"]["omitted"] == 601 + 7


def test_bodies_in_work_are_bounded_and_answered_503(sink, monkeypatch):
    monkeypatch.setattr(internals.app, "MAX_BODIES", 300_000)
    monkeypatch.setattr(internals.app, "_BODY_SECONDS", 2.0)
    large = json.dumps(group(one(x="y" * 200_000))).encode()
    gone = threading.Event()

    def slow():
        yield large[:-1]
        gone.wait(10)

    def dropped():
        return server.metrics().value("wxiai_bridge_dropped_messages_total", channel="webhook", room="requests")

    with bridge_here(environ(sink, "webhook")) as server, ThreadPoolExecutor(2) as pool:
        chunked = {"Transfer-Encoding": "chunked"}
        answers = [pool.submit(server.ask, "POST", "/notify/webhook", slow(), **chunked) for _ in range(2)]
        # There is room for one of them.
        assert until(lambda: dropped() == 1)
        # The other one takes too long, and its room is free again.
        assert until(lambda: server.notify("webhook", large)[0] == 200)
        gone.set()
        for answer in answers:
            # What is still sent may find the connection closed.
            with contextlib.suppress(OSError):
                assert answer.result()[0] == 503


def memory(process, what):
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))


def bodies():
    """Return notifications of up to 1 MiB, of the group GROUP, that take as much memory as they can."""
    small = {"status": "firing", "labels": {"alertname": "x"}, "startsAt": "2026-01-01T00:00:00Z"}
    wide = one("A")
    wide["annotations"] = dict.fromkeys(("summary", "summary_en", "description", "description_en"), "🚨" + 5_000 * "a")
    labels = {f"label{n}": n * "z" for n in range(30)}
    shapes = (
        {"alerts": [one(f"A{n}", **labels) for n in range(700)]},
        {"alerts": [small] * 10_000},
        {"alerts": [wide] * 50},
        {"alerts": [small], "more": [{"a": 1}] * 49_000},
        {"alerts": [one("A", **{f"label{n}": "x" for n in range(50_000)})]},
        {"alerts": [small], "more": ["ab"] * 150_000},
    )
    return [json.dumps({**shape, "groupKey": "GROUP"}, ensure_ascii=False).encode() for shape in shapes]


@pytest.mark.long
def test_whatever_is_sent_while_all_channels_are_away_the_bridge_takes_64_mb_at_most(sink, tmp_path):
    for name in CHANNELS:
        sink.forever[name] = "403"
    with bridge(tmp_path, {**environ(sink, *CHANNELS), "WXIAI_BRIDGE_TIMEOUT": "0.5"}) as server:
        for name in CHANNELS:
            assert server.notify(name, group())[0] == 503
        before = memory(server.process, "VmRSS")

        shapes = bodies()

        def send(number):
            for kind, shape in enumerate(shapes):
                body = shape.replace(b"GROUP", b"%d %d" % (number, kind))
                assert len(body) <= 2**20
                # As Alertmanager does, until it was the channel that refused it.
                while "in work" in (answer := server.notify(CHANNELS[number % len(CHANNELS)], body))[1]["reason"]:
                    time.sleep(0.05)
                yield answer[0]

        with ThreadPoolExecutor(16) as pool:
            answers = {answer for found in pool.map(lambda number: [*send(number)], range(32)) for answer in found}
        peak = memory(server.process, "VmHWM") - before
        metrics = server.metrics()
    assert answers == {503}
    assert sum(metrics.value("wxiai_bridge_held_messages", channel=name) for name in CHANNELS) > 50
    dropped = [metrics.value("wxiai_bridge_dropped_messages_total", channel=name, room="late") for name in CHANNELS]
    assert sum(dropped) > 50, "more than there is room for was sent"
    assert peak < 64e6
