"""Tasks whose claims Redis does not take: none is lost, none counts twice, and nobody waits."""

import asyncio
import time
from types import SimpleNamespace

import pytest
import redis as redis_py

from tests.business.internals import _task_store, _tasks
from tests.business.tasks import after, ended, hardly_longer_than, set_up, settled, silent_server
from tests.otlp import http_receiver
from tests.scrape import scrape
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from wxiai_otel import complete_ai_task, start_ai_task


@pytest.fixture(params=["dead", "silent"])
def unreachable(request):
    if request.param == "dead":
        yield f"redis://127.0.0.1:{free_port()}/0"
    else:
        with silent_server() as url:
            yield url


class TestARedisThatDoesNotAnswer:
    async def test_is_in_nobodys_way(self, unreachable):
        set_up(state_redis=unreachable, redis_poll_timeout=60, shutdown_timeout=0.5)
        longest, stop = 0.0, asyncio.Event()

        async def watch():
            nonlocal longest
            while not stop.is_set():
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)

        watcher = asyncio.create_task(watch())
        for _ in range(200):
            complete_ai_task(start_ai_task("kling").token, "success")
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        stop.set()
        await watcher
        assert longest < 30

    def test_at_the_end_is_waited_for_no_longer_than_the_setting_says(self, unreachable, caplog):
        with http_receiver() as received:
            telemetry = set_up(
                state_redis=unreachable, shutdown_timeout=4, redis_poll_timeout=60, otlp_endpoint=received.url
            )
            for _ in range(7):
                complete_ai_task(start_ai_task("kling").token, "success")
            with hardly_longer_than(4):  # half for Redis; the other half lets a busy machine export
                telemetry.shutdown()
            assert "7 AI task completions could not be claimed" in caplog.text
            (dropped,) = received.points("wxiai_otel.tasks.dropped")
            assert dropped.as_double == 7 or dropped.as_int == 7
            counts = {
                (a["service"], a["status"]): point.as_int
                for point in received.points("ai.tasks")
                if point.as_int and (a := {item.key: item.value.string_value for item in point.attributes})
            }
            assert counts == {("kling", "pending"): 7}

    def test_a_flush_takes_no_longer_than_it_may(self, unreachable):
        telemetry = set_up(state_redis=unreachable, redis_poll_timeout=60, shutdown_timeout=0.5)
        complete_ai_task(start_ai_task("kling").token, "success")
        with hardly_longer_than(1):
            assert telemetry.force_flush(1) is False

    def test_and_comes_back_gets_what_was_kept(self, caplog):
        port = free_port()
        telemetry = set_up(state_redis=f"redis://127.0.0.1:{port}/0", task_timeout=8)
        tokens = [start_ai_task("kling").token for _ in range(1500)]
        for token in tokens * 2:
            complete_ai_task(token, "success")
        time.sleep(0.5)
        assert ended(scrape(telemetry)) == {}
        with run_redis(port=port):
            after(telemetry, 1500)
            for token in tokens:
                complete_ai_task(token, "failed")
            assert ended(settled(telemetry)) == {("kling", "success"): 1500}
        assert len([r for r in caplog.records if "cannot be settled" in r.message]) == 1

    def test_that_stalls_in_the_middle_counts_each_claim_once(self, redis_server):
        telemetry = set_up(state_redis=redis_server.url, redis_poll_timeout=0.2)
        settled(telemetry)
        redis_server.ask("CLIENT", "PAUSE", "700", "ALL")
        tokens = [start_ai_task("kling").token for _ in range(300)]
        for token in tokens * 2:
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 300}

    def test_is_bounded_in_what_it_keeps_waiting(self, monkeypatch):
        monkeypatch.setattr(_tasks, "MAX_PENDING", 10)
        telemetry = set_up(state_redis=f"redis://127.0.0.1:{free_port()}/0", shutdown_timeout=0.5)
        for _ in range(15):
            complete_ai_task(start_ai_task("kling").token, "success")
        assert scrape(telemetry).value("wxiai_otel_tasks_dropped_total") == 5


class TestAClaimThatWasNotAnswered:
    """The server has executed it, the answer was lost."""

    @pytest.mark.parametrize("method", ["claim", "close", "overdue", "open"])
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("completed", [10, 0], ids=["of_a_callback", "of_a_timeout"])
    def test_is_made_again_and_counted_once(self, redis_server, monkeypatch, method, when, completed):
        original = getattr(_task_store.RedisTaskStore, method)
        failures = iter([True, True])

        def lossy(self, *args, **kwargs):
            lost = next(failures, False)
            if lost and when == "before":
                raise redis_py.ConnectionError
            result = original(self, *args, **kwargs)
            if lost:
                raise redis_py.ConnectionError
            return result

        monkeypatch.setattr(_task_store.RedisTaskStore, method, lossy)
        telemetry = set_up(state_redis=redis_server.url, task_timeout=0.6)
        tokens = [start_ai_task("kling").token for _ in range(20)]
        for token in tokens[:completed] * 2:
            complete_ai_task(token, "success")
        after(telemetry, 20)
        time.sleep(0.3)
        seen = settled(telemetry)
        assert seen.value("ai_tasks_total", status="success") == completed
        assert seen.value("ai_tasks_total", status="failed") == 20 - completed


class TestMemoryUntilARedisIsSeen:
    def test_what_was_counted_before_is_not_counted_again(self, redis_server):
        telemetry = set_up(state_redis=None)
        tokens = [start_ai_task("kling").token for _ in range(1100)]
        for token in tokens[:600]:
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 600}
        assert redis_server.ask("KEYS", "*task*") == "*0\r\n"

        redis_py.Redis(port=redis_server.port).ping()
        for token in tokens:
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 1100}
        telemetry.shutdown()

        another = set_up(state_redis=redis_server.url)
        for token in tokens:
            complete_ai_task(token, "success")
        assert ended(settled(another)) == {}

    def test_what_is_open_times_out_there(self, redis_server, monkeypatch):
        telemetry = set_up(state_redis=None, task_timeout=600)
        for _ in range(700):
            start_ai_task("kling")
        settled(telemetry)
        redis_py.Redis(port=redis_server.port).ping()
        settled(telemetry)
        telemetry.shutdown()
        monkeypatch.setattr(_task_store, "time", SimpleNamespace(time=lambda: time.time() + 600))
        another = set_up(state_redis=redis_server.url, task_timeout=600)
        after(another, 700)
        assert ended(settled(another)) == {("kling", "failed"): 700}

    def test_memory_stays_memory_where_the_setting_says_so(self, redis_server):
        telemetry = set_up(state_redis="memory")
        redis_py.Redis(port=redis_server.port).ping()
        complete_ai_task(start_ai_task("kling").token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 1}
        assert redis_server.ask("KEYS", "*task*") == "*0\r\n"

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr(_task_store, "MAX_REMEMBERED", 10)
        store = _task_store.MemoryTaskStore()
        store.open([(f"id{n}", f"token{n}", 0.0) for n in range(20)])
        assert store.overdue(100) == [f"token{n}" for n in range(10, 20)]
        store.claim([_task_store.Claim(f"id{n}", f"token{n}", "owner") for n in range(20)], keep=1)
        assert len(store.all_claimed()) == 10
