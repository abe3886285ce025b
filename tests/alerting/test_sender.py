"""Messages on their way: repeated where it helps, folded where there are many, bounded in any case."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerting import internals
from tests.alerting.internals import Alert, Message, NotDelivered, Rate, Secret, Sender, weight
from tests.servers.robots import SECRET
from tests.until import until
from wxiai_otel.alerting.channels import DingTalk, Feishu, Webhook, WeChat


def message(name="A", severity="critical", text="text"):
    return Message((Alert(name, severity, text),))


class Held:
    """A channel whose messages go out when the test says so."""

    name = "held"
    burst = 0
    interval = 0.0
    workers = 1

    def __init__(self, faults=()):
        self.go = threading.Semaphore(0)
        self.sent = []
        self.faults = list(faults)

    def fold(self, waiting):
        return 1

    def send(self, messages, seconds):
        assert self.go.acquire(timeout=20)
        self.sent.append([m.first.name for m in messages])
        if self.faults and (fault := self.faults.pop(0)):
            raise fault


def passes(**more):
    return NotDelivered("it passes", passes=True, **more)


@given(st.integers(1, 20), st.floats(0.5, 20), st.lists(st.floats(0, 30), max_size=200))
def test_never_more_than_the_rate(burst, interval, pauses):
    rate, now, taken = Rate(burst, interval), 1000.0, []
    for pause in pauses:
        now += pause
        while rate.wait(now) <= 0:
            rate.take(now)
            taken.append(now)
    window = burst * interval
    for start in taken:
        assert sum(start <= when < start + window for when in taken) <= 2 * burst


def test_robots_are_never_sent_more_than_twenty_in_a_minute():
    for robot in (DingTalk, WeChat, Feishu):
        assert robot.burst + 60 / robot.interval <= 20


@pytest.mark.parametrize("fault", ["500", "reset", "errcode:-1:busy"])
def test_what_passes_is_tried_again(sink, fault):
    sink.faults["wechat"] = [fault] * 2
    sender = Sender(WeChat(Secret(sink.url("wechat")), Secret("")), backoff_seconds=0.02)
    sender.submit(message(), 20).result(20)
    assert len(sink.attempts("wechat")) == 3
    assert len(sink.of("wechat")) == 1


@pytest.mark.parametrize("fault", ["403", "errcode:93000:invalid"])
def test_what_does_not_pass_is_not_tried_again(sink, fault):
    sink.forever["wechat"] = fault
    sender = Sender(WeChat(Secret(sink.url("wechat")), Secret("")), backoff_seconds=0.01)
    with pytest.raises(NotDelivered, match=fault.split(":")[1] if ":" in fault else fault):
        sender.submit(message(), 20).result(20)
    assert len(sink.attempts("wechat")) == 1


def test_attempts_are_bounded(sink):
    sink.forever["webhook"] = "503"
    sender = Sender(Webhook(Secret(sink.url("webhook")), {}), backoff_seconds=0.01)
    with pytest.raises(NotDelivered, match="HTTP 503"):
        sender.submit(message(), 60).result(20)
    assert len(sink.attempts("webhook")) == internals.sender.MAX_ATTEMPTS


def test_attempts_end_with_the_time(sink):
    sink.forever["webhook"] = "503"
    sender = Sender(Webhook(Secret(sink.url("webhook")), {}), backoff_seconds=60)
    with pytest.raises(NotDelivered, match="HTTP 503"):
        sender.submit(message(), 30).result(30)
    assert len(sink.attempts("webhook")) == 1


def test_it_waits_as_long_as_it_is_told_to(sink):
    sink.faults["webhook"] = ["429:0.3"]
    sender = Sender(Webhook(Secret(sink.url("webhook")), {}), backoff_seconds=0.01)
    sender.submit(message(), 20).result(20)
    first, second = sink.attempts("webhook")
    assert second - first >= 0.3


def test_a_storm_is_a_few_messages_and_loses_nothing(sink):
    channel = DingTalk(Secret(sink.url("dingtalk")), Secret(SECRET))
    channel.burst, channel.interval = 1, 0.2
    sender = Sender(channel)
    sink.faults["dingtalk"] = ["hold"]
    futures = [sender.submit(message(f"Alert{n}", text="余额" * 20), 30) for n in range(100)]
    sink.released.set()
    for future in futures:
        future.result(30)
    bodies = sink.of("dingtalk")
    text = "".join(json.dumps(body, ensure_ascii=False) for body in bodies)
    assert all(text.count(f"Alert{n} ") + text.count(f"Alert{n}**") + text.count(f"Alert{n}\\n") for n in range(100))
    assert len(bodies) <= 13
    assert any("告警汇总" in body["markdown"]["title"] for body in bodies)


def test_the_rate_is_kept(sink):
    channel = DingTalk(Secret(sink.url("dingtalk")), Secret(SECRET))
    channel.burst, channel.interval = 2, 0.2
    sender = Sender(channel)
    began = time.monotonic()
    for n in range(5):
        sender.submit(message(f"A{n}"), 30).result(20)
    assert len(sink.attempts("dingtalk")) == 5
    # Two at once, and three intervals; rounded.
    assert sink.attempts("dingtalk")[-1] - began > 3 * channel.interval - 0.01


def test_what_is_folded_is_answered_with_the_digest(sink):
    channel = DingTalk(Secret(sink.url("dingtalk")), Secret(SECRET))
    channel.burst, channel.interval = 1, 0.5
    sender = Sender(channel)
    sink.faults["dingtalk"] = ["hold", "hold"]
    first = sender.submit(message("A0"), 30)
    until(lambda: sink.attempts("dingtalk"))
    futures = [sender.submit(message(f"A{n}"), 30) for n in range(1, 5)]
    sink.released.set()
    first.result(20)
    sink.released.clear()
    until(lambda: len(sink.attempts("dingtalk")) == 2)
    assert not any(future.done() for future in futures)
    sink.released.set()
    for future in futures:
        future.result(20)
    assert len(sink.of("dingtalk")) == 2


def test_a_digest_that_is_refused_is_nobodys_delivery(sink):
    channel = DingTalk(Secret(sink.url("dingtalk")), Secret(SECRET))
    channel.burst, channel.interval = 1, 0.3
    sender = Sender(channel)
    sink.faults["dingtalk"] = ["hold", "errcode:430104:content"]
    first = sender.submit(message("A0"), 30)
    until(lambda: sink.attempts("dingtalk"))
    folded = [sender.submit(message(f"A{n}"), 30) for n in range(1, 5)]
    sink.released.set()
    first.result(20)
    for future in folded:
        with pytest.raises(NotDelivered, match="430104"):
            future.result(20)


def test_when_there_are_too_many_nothing_is_sent_for_a_while(sink):
    channel = DingTalk(Secret(sink.url("dingtalk")), Secret(SECRET))
    sink.faults["dingtalk"] = ["errcode:130101:send too fast"]
    sender = Sender(channel, backoff_seconds=1)
    first = sender.submit(message("A1"), 30)
    until(lambda: sink.attempts("dingtalk"))
    second = sender.submit(message("A2"), 30)
    first.result(20)
    second.result(20)
    before, after = sink.attempts("dingtalk")
    assert after - before > 0.7
    assert "汇总" in sink.of("dingtalk")[0]["markdown"]["title"]


class Limited(Held):
    """A channel with few turns, each of which takes all that waits."""

    burst = 2
    interval = 600.0

    def fold(self, waiting):
        return len(waiting)


def test_on_a_paused_channel_the_most_urgent_messages_use_each_turn():
    channel = Limited([passes(limited=True, after=3600)])
    channel.go.release(2)
    sender = Sender(channel, backoff_seconds=0.01)
    first = sender.submit(message("warning", "warning"), 2)
    assert until(lambda: channel.sent)
    second = sender.submit(message("critical"), 20)
    assert first.result(20) is second.result(1) is None
    assert channel.sent == [["warning"], ["critical", "warning"]]


def test_a_limited_message_is_not_given_up_before_its_time():
    channel = Limited([passes(limited=True)] * (internals.sender.MAX_ATTEMPTS + 1))
    channel.burst = 2 * internals.sender.MAX_ATTEMPTS
    channel.go.release(2 * internals.sender.MAX_ATTEMPTS)
    assert Sender(channel, backoff_seconds=0.001).submit(message(), 20).result(20) is None


def test_the_most_severe_goes_first():
    channel = Held()
    sender = Sender(channel)
    sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    resolved = Message((Alert("over", "critical", "", resolved=True),))
    futures = [sender.submit(m, 20) for m in (resolved, message("i", "info"), message("w", "warning"), message("c"))]
    for _ in range(5):
        channel.go.release()
    for future in futures:
        future.result(20)
    assert channel.sent == [["busy"], ["c"], ["w"], ["i"], ["over"]]


def test_what_nobody_waits_for_any_more_is_not_sent():
    channel = Held()
    sender = Sender(channel)
    sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    gone, kept = sender.submit(message("gone"), 20), sender.submit(message("kept"), 20)
    assert gone.cancel()
    for _ in range(3):
        channel.go.release()
    kept.result(20)
    assert channel.sent == [["busy"], ["kept"]]


def test_waiting_is_bounded(monkeypatch):
    monkeypatch.setattr(internals.sender, "MAX_WAITING", 3)
    channel = Held()
    sender = Sender(channel)
    sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    futures = [sender.submit(message(), 20) for _ in range(4)]
    with pytest.raises(NotDelivered, match="3 messages wait already"):
        futures[3].result(1)
    for _ in range(4):
        channel.go.release()
    for future in futures[:3]:
        future.result(20)


def test_what_is_under_way_takes_room(monkeypatch):
    channel, one = Held(), message()
    sender = Sender(channel)
    busy = sender.submit(one, 20)
    until(lambda: sender.waiting == 0)
    monkeypatch.setattr(internals.sender, "MAX_WAITING_BYTES", weight(one))
    with pytest.raises(NotDelivered, match="wait already"):
        sender.submit(one, 20).result(1)
    channel.go.release()
    busy.result(20)


def test_waiting_is_bounded_by_bytes_too_and_the_least_urgent_goes_first(monkeypatch):
    channel = Held()
    sender = Sender(channel)
    busy = sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    large = 1_000 * "x"
    resolved = Message((Alert("resolved", "critical", large, resolved=True),))
    first = [resolved, *(message(name, name, large) for name in ("info", "warning", "critical"))]
    monkeypatch.setattr(internals.sender, "MAX_WAITING_BYTES", weight(message("busy")) + sum(map(weight, first)) + 200)
    futures = {one.first.name: sender.submit(one, 20) for one in first}
    for displaced in ("resolved", "info", "warning"):
        assert not futures[displaced].done()
        futures[f"instead of {displaced}"] = sender.submit(message(f"{displaced}!", text=large), 20)
        with pytest.raises(NotDelivered, match="more urgent"):
            futures.pop(displaced).result(1)
    for other in (message("one too many", text=large), resolved):
        with pytest.raises(NotDelivered, match="wait already") as refused:
            sender.submit(other, 20).result(1)
        assert refused.value.full
    for _ in range(5):
        channel.go.release()
    for future in (busy, *futures.values()):
        future.result(20)
    # What is under way counts until it is settled, and no longer.
    channel.go.release()
    sender.submit(message("again", text=large), 20).result(20)


def test_what_waits_is_given_up_in_time():
    channel = Held()
    sender = Sender(channel)
    sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    late = sender.submit(message("late"), 0.1)
    time.sleep(0.2)
    channel.go.release()
    with pytest.raises(NotDelivered, match="waited for its turn"):
        late.result(20)


@pytest.mark.faulty
def test_a_fault_of_ours_is_an_answer_too():
    channel = Held([ZeroDivisionError()])
    sender = Sender(channel)
    channel.go.release(2)
    with pytest.raises(NotDelivered, match="ZeroDivisionError"):
        sender.submit(message(), 20).result(20)
    sender.submit(message(), 20).result(20)


def test_after_it_is_stopped_nothing_is_sent():
    channel = Held()
    sender = Sender(channel)
    under_way = sender.submit(message("busy"), 20)
    until(lambda: sender.waiting == 0)
    waiting = sender.submit(message("waiting"), 20)
    sender.stop()
    for future in (waiting, sender.submit(message("late"), 20)):
        with pytest.raises(NotDelivered, match="has ended"):
            future.result(1)
    channel.go.release(2)
    under_way.result(20)
    assert channel.sent == [["busy"]]


def test_threads_are_bounded_and_end_when_they_are_idle(sink, monkeypatch):
    monkeypatch.setattr(internals.sender, "_IDLE_SECONDS", 0.2)
    sink.forever["webhook"] = "slow:0.05"
    sender = Sender(Webhook(Secret(sink.url("webhook")), {}))

    before = set(threading.enumerate())

    def own():
        return sum(thread.name == "wxiai-otel-webhook" for thread in set(threading.enumerate()) - before)

    with ThreadPoolExecutor(20) as pool:
        futures = list(pool.map(lambda n: sender.submit(message(f"A{n}"), 30), range(60)))
    assert own() == 4
    for future in futures:
        future.result(30)
    assert len(sink.of("webhook")) == 60
    assert until(lambda: own() == 0)
    sender.submit(message(), 20).result(20)


def test_a_forked_child_sends_its_own(sink):
    sink.faults["webhook"] = ["hold"]
    sender = Sender(Webhook(Secret(sink.url("webhook")), {}))
    waiting = [sender.submit(message(f"parent{n}"), 30) for n in range(8)]
    pid = os.fork()
    if pid == 0:
        try:
            sender.submit(message("child"), 20).result(20)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    sink.released.set()
    for future in waiting:
        future.result(20)
    names = sorted(body["alert_name"] for body in sink.of("webhook"))
    assert names == ["child", *(f"parent{n}" for n in range(8))]
