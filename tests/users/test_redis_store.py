"""The users seen by all workers, in a real Redis: what it holds, what it costs, and what becomes of it in bad times."""

import multiprocessing
import os
import re
import signal
import threading
import time

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from redis.sentinel import Sentinel

from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from tests.until import until
from tests.users.conftest import Figures, state
from tests.users.internals import Bitmap, position
from wxiai_otel import record_user_activity, setup_telemetry
from wxiai_otel.users import Activity

DAY = 86_400


@pytest.fixture
def worker(clock, redis_server):
    """What makes the activity of one more worker."""
    return lambda: Activity("Asia/Shanghai", state(redis_server.url), keep=300)


def used_memory(redis_server) -> int:
    return int(re.search(r"used_memory:(\d+)", redis_server.ask("INFO", "memory"))[1])


def everything(redis_server) -> bytes:
    """All keys, and what they hold."""
    client = redis.Redis(port=redis_server.port)
    return b"".join(key + client.dump(key) for key in client.scan_iter())


def test_the_bits_in_redis_are_those_of_a_bitmap_whether_they_are_few_or_many(worker, clock, redis_server):
    client = redis.Redis(port=redis_server.port)
    for users in (300, 9_000):
        redis_server.ask("FLUSHALL")
        activity, expected = worker(), Bitmap()
        for user in range(users):
            activity.record(user)
            expected.add(position(user))
        Figures(activity, clock)
        stored = client.get("wxiai_otel:{users}:day:2026-03-15")
        assert stored.ljust(len(bytes(expected)), b"\0") == bytes(expected)
        assert client.bitcount("wxiai_otel:{users}:day:2026-03-15") == expected.ones


def test_workers_together_give_the_distinct_users(worker, clock):
    workers = [worker() for _ in range(4)]
    for number, activity in enumerate(workers):
        for user in range(100 * number, 100 * number + 200):
            activity.saw(str(user))
        activity.flush(5)
    for activity in workers:
        figures = Figures(activity, clock)
        assert (figures.active, figures.daily, figures.monthly) == (500, 500, 500)


def test_whoever_was_seen_in_any_part_of_the_last_five_minutes_is_active(worker, clock):
    activity = worker()
    for user in range(30):
        activity.record(user, clock.now - 10 * user)
    assert Figures(activity, clock).active == 30


def test_retention_is_of_all_workers(worker, clock):
    one, other = worker(), worker()
    for user in range(40):
        one.record(user, clock.now - DAY)
        other.record(user, clock.now - 30 * DAY)
    for user in range(10):
        one.record(user)
        other.record(user + 10)
    Figures(one, clock)
    assert Figures(other, clock).retention == {"1d": 0.5, "30d": 0.5}


def test_midnight_comes_for_all(worker, clock):
    one, other = worker(), worker()
    clock.set("2026-03-31T23:59:50+08:00")
    one.saw("a")
    assert Figures(one, clock).daily == 1
    clock.set("2026-04-01T00:00:20+08:00")
    other.saw("b")
    figures = Figures(other, clock)
    assert (figures.active, figures.daily, figures.monthly, figures.retention) == (2, 1, 1, {"1d": 0})
    one.saw("a")
    Figures(one, clock)
    assert Figures(other, clock).retention == {"1d": 1}


@pytest.mark.long
def test_a_million_users_over_31_days_take_at_most_64_mib_and_are_counted_within_2_percent(redis_server):
    # A bitmap has its full size with its highest bit: of the other days a few thousand users are as good as all.
    before = used_memory(redis_server)
    telemetry = setup_telemetry(FastAPI(), state_redis=redis_server.url)
    now = time.time()
    today = now - (now + 8 * 3_600) % DAY + 1  # in Shanghai
    for days in range(1, 31):
        for user in range(2_000):
            record_user_activity(f"user-{user * 500}", at=today - days * DAY)
    for user in range(1_000_000):
        record_user_activity(f"user-{user}", at=today)
    for bucket in range(30):
        for user in range(100):
            record_user_activity(f"user-{user}", at=max(today, now - 10 * bucket))
    telemetry.force_flush(10)
    reader = Activity("Asia/Shanghai", state(redis_server.url), keep=300)
    reader.flush(5)
    figures = reader._figures
    assert figures.daily == pytest.approx(1_000_000, rel=0.02)
    assert figures.monthly == pytest.approx(1_000_000, rel=0.02)
    assert figures.retention == pytest.approx({"1d": 1, "7d": 1, "30d": 1}, abs=0.03)
    assert used_memory(redis_server) - before < 64 * 2**20
    assert used_memory(redis_server) - before < 20 * 2**20, "as the documentation of the store says"
    client = redis.Redis(port=redis_server.port)
    assert all(0 < client.ttl(key) <= 33 * DAY for key in client.scan_iter())


def test_there_is_at_most_one_round_trip_a_second_whatever_the_traffic(redis_server):
    telemetry = setup_telemetry(
        FastAPI(), state_redis=redis_server.url, redis_poll_interval=1_000, health_interval=1_000
    )
    stop = threading.Event()

    def traffic():
        user = 0
        while not stop.wait(0.001):
            user += 1
            record_user_activity(user)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        until(lambda: redis_server.command_calls().get("exec", 0) > 1)
        before, started = redis_server.command_calls()["exec"], time.monotonic()
        until(lambda: redis_server.command_calls()["exec"] - before >= 2)
        calls, seconds = redis_server.command_calls(), time.monotonic() - started
    finally:
        stop.set()
        thread.join()
    assert 2 <= calls["exec"] - before <= seconds + 1
    # Nothing is sent outside of a transaction but what a connection begins with.
    assert calls["multi"] == calls["exec"]
    assert calls.get("hello", 0) + calls.get("client|setinfo", 0) <= 6
    assert set(calls) <= {
        "multi", "exec", "bitfield", "bitop", "bitcount", "expire", "del", "set",
        "hello", "client|setinfo", "info", "config|resetstat", "zrangebyscore",
    }  # fmt: skip
    telemetry.shutdown()


def test_our_own_commands_are_neither_counted_nor_traced(spans, redis_server):
    from tests.scrape import scrape

    telemetry = setup_telemetry(FastAPI(), state_redis=redis_server.url)
    record_user_activity(1)
    telemetry.force_flush()
    assert until(lambda: redis_server.command_calls().get("exec"))
    assert scrape(telemetry).value("cache_operations_total") == 0
    assert spans.get_finished_spans() == ()


def test_no_id_is_in_any_key_or_value(worker, clock, redis_server):
    activity = worker()
    identities = [*(f"alice-{number}@example.org" for number in range(50)), "4f7c1d52-8a7e-4f50-9c7e-0d5c6a1f2b3c"]
    for identity in identities:
        activity.saw(identity)
        activity.record(identity, clock.now - DAY)
    assert Figures(activity, clock).daily == len(identities)
    found = everything(redis_server)
    assert found
    assert not any(identity.encode() in found for identity in identities)
    assert b"alice" not in found


def test_all_workers_tell_again_what_a_redis_has_lost(worker, clock, redis_server):
    workers = [worker() for _ in range(4)]
    for number, activity in enumerate(workers):
        for user in range(250 * number, 250 * number + 250):
            activity.saw(str(user))
    for activity in workers:
        activity.flush(5)
    assert [Figures(activity, clock).daily for activity in workers] == [1_000] * 4
    redis_server.ask("FLUSHALL")
    for activity in workers:
        # Each has told again all of its users before the next one looks.
        for _ in range(3):
            figures = Figures(activity, clock)
    assert (figures.daily, figures.monthly) == (1_000, 1_000)


def test_a_key_alone_that_was_evicted_is_told_again(worker, clock, redis_server):
    activity = worker()
    for user in range(5_000):
        activity.saw(str(user))
    before = Figures(activity, clock)
    redis_server.ask("DEL", "wxiai_otel:{users}:month:2026-03")
    Figures(activity, clock)
    assert Figures(activity, clock).monthly == before.monthly


def test_a_redis_that_does_not_answer_is_told_later_and_the_figures_vanish_meanwhile(clock, caplog):
    port = free_port()
    activity = Activity("Asia/Shanghai", state(f"redis://127.0.0.1:{port}/0"), keep=300)
    with run_redis(port=port):
        activity.saw("a")
        assert Figures(activity, clock).daily == 1
    activity.saw("b")
    activity.record("c", clock.now - DAY)
    for _ in range(3):
        assert Figures(activity, clock).daily == 1, "the last good value is kept"
    assert not activity.flush(1)
    assert len(caplog.records) == 1, "it is said once"
    clock.advance(300)
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily, figures.monthly, figures.retention) == (None, None, None, {})
    with run_redis(port=port):
        Figures(activity, clock)
        figures = Figures(activity, clock)
        assert (figures.daily, figures.monthly, figures.retention) == (2, 3, {"1d": 0})


@pytest.mark.long
def test_what_is_kept_for_a_redis_that_stays_away_is_bounded(clock):
    activity = Activity("Asia/Shanghai", state(f"redis://127.0.0.1:{free_port()}/0"), keep=300)
    for _ in range(60):
        activity.saw("a")
        activity.flush(1)
        clock.advance(DAY)
    assert len(activity._marks) <= 64


def test_what_was_seen_before_a_redis_was_known_is_told_to_it(clock, redis_server):
    shared = state(None)
    activity = Activity("Asia/Shanghai", shared, keep=300)
    for user in range(20):
        activity.saw(str(user))
    activity.record("0", clock.now - DAY)
    assert Figures(activity, clock).daily == 20
    shared.see(redis.asyncio.Redis(port=redis_server.port))
    activity.saw("new")
    Figures(activity, clock)
    other = Activity("Asia/Shanghai", state(redis_server.url), keep=300)
    figures = Figures(other, clock)
    assert (figures.active, figures.daily, figures.retention) == (21, 21, {"1d": 1})
    assert not activity._memory.marks(), "what is in Redis is not kept twice"


def test_the_keys_are_in_one_slot_of_a_cluster(clock, redis_cluster):
    with redis.RedisCluster("127.0.0.1", redis_cluster.port) as client:
        client.flushall(target_nodes=redis.RedisCluster.PRIMARIES)
        activity = Activity("Asia/Shanghai", state(client), keep=300)
        for user in range(6_000):
            activity.record(user)
        activity.record(1, clock.now - DAY)
        figures = Figures(activity, clock)
        assert figures.daily == pytest.approx(6_000, rel=0.01)
        assert figures.retention == {"1d": 1}
        assert client.exists("wxiai_otel:{users}:day:2026-03-15")


def test_behind_a_sentinel_the_master_is_told(clock):
    with run_redis() as master:
        configuration = f"sentinel monitor main 127.0.0.1 {master.port} 1"
        with run_redis(configuration, sentinel=True) as sentinel:
            client = Sentinel([("127.0.0.1", sentinel.port)]).master_for("main")
            activity = Activity("Asia/Shanghai", state(client), keep=300)
            activity.saw("a")
            assert Figures(activity, clock).daily == 1
            assert "day:2026-03-15" in master.ask("KEYS", "*")


def _see(url: str, first: int, done) -> None:
    activity = Activity("Asia/Shanghai", state(url), keep=300)
    activity.start()
    for user in range(first, first + 3_000):
        activity.saw(str(user))
    activity.stop(5)
    done.set()


def test_processes_together_give_the_distinct_users(redis_server):
    context = multiprocessing.get_context("spawn")
    done = [context.Event() for _ in range(3)]
    processes = [
        context.Process(target=_see, args=(redis_server.url, 1_000 * number, event))
        for number, event in enumerate(done)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert all(event.is_set() for event in done)
    activity = Activity("Asia/Shanghai", state(redis_server.url), keep=300)
    activity.flush(5)
    assert dict(activity.observed()["daily_active_users"]())[()] == pytest.approx(5_000, rel=0.005)


def test_a_forked_child_tells_its_own_users_also_where_the_parent_was_telling(redis_server):
    activity = Activity("Asia/Shanghai", state(redis_server.url), keep=300)
    activity.start()
    activity.saw("parent")
    assert activity.flush(5)
    with activity._serial.held(1):
        child = os.fork()
        if child == 0:
            # One that waits for a lock of its parent's waits for ever.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            activity.saw("child")
            told = activity.flush(5)
            os._exit(0 if told and activity._work._running else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    activity.saw("parent again")
    activity.stop(5)
    other = Activity("Asia/Shanghai", state(redis_server.url), keep=300)
    other.flush(5)
    assert dict(other.observed()["daily_active_users"]()) == {(): 3}
