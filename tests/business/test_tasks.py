"""Tasks that are begun here and ended there: counted once, whatever becomes of Redis, and never in anybody's way."""

import asyncio
import logging
import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from enum import Enum

import pytest
import redis as redis_py
from fastapi import FastAPI
from opentelemetry import trace

from tests.business.test_ai_tasks import ai, is_consistent
from tests.otlp import http_receiver
from tests.scrape import Scrape, scrape
from tests.servers.redis import redis_server
from tests.servers.uvicorn import free_port
from wxiai_otel import TaskTokenError, complete_ai_task, setup_telemetry, start_ai_task
from wxiai_otel.business import _ai, _task_store, _tasks


@pytest.fixture(autouse=True)
def warned_anew():
    _ai._warn_of_missing_secret.cache_clear()


def set_up(**settings):
    return setup_telemetry(
        FastAPI(), **{"task_secret": "s", "state_redis": "memory", "redis_poll_timeout": 0.5, **settings}
    )


def settled(telemetry) -> Scrape:
    assert telemetry.force_flush(10)
    return scrape(telemetry)


def ended(seen: Scrape) -> dict[tuple[str, str], float]:
    counts = seen.series("ai_tasks_total", "service", "status")
    return {labels: count for labels, count in counts.items() if count and labels[1] != "pending"}


def until(telemetry, count: float, timeout: float = 10) -> Scrape:
    """Scrape until so many tasks have ended."""
    deadline = time.monotonic() + timeout
    while True:
        seen = scrape(telemetry)
        if sum(ended(seen).values()) >= count:
            return seen
        assert time.monotonic() < deadline, ended(seen)
        time.sleep(0.02)


class TestATask:
    def test_is_pending_when_it_begins_and_counted_when_it_ends(self):
        telemetry = set_up()
        task = start_ai_task("kling", mode="video", user_role="vip")
        assert ai(settled(telemetry)) == {("kling", "pending", "vip"): 1}
        complete_ai_task(task.token, "success")
        seen = settled(telemetry)
        assert ai(seen) == {("kling", "pending", "vip"): 1, ("kling", "success", "vip"): 1}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {("kling", "video"): 1}
        assert is_consistent(seen, "kling")

    @pytest.mark.parametrize(
        ("error", "label"),
        [
            (None, "unknown"),
            ("", "unknown"),
            ("rejected", "rejected"),
            (ValueError("of the provider's"), "ValueError"),
            (KeyError, "KeyError"),
            (Enum("Reason", {"NSFW": "nsfw"}).NSFW, "nsfw"),
            (500, "500"),
        ],
    )
    def test_that_failed_says_why(self, error, label):
        telemetry = set_up()
        complete_ai_task(start_ai_task("kling").token, "failed", error_type=error)
        seen = settled(telemetry)
        assert seen.series("ai_service_failures_total", "service", "error_type") == {("kling", label): 1}
        assert seen.series("application_errors_total", "error_type", "component") == {(label, "ai_service_kling"): 1}
        assert is_consistent(seen, "kling")

    def test_that_succeeded_has_no_error_whatever_is_given(self):
        telemetry = set_up()
        complete_ai_task(start_ai_task("kling").token, "success", error_type="warning")
        assert not settled(telemetry).has("application_errors_total")

    def test_lasts_from_its_submission(self, telemetry):
        set_up()
        clock = telemetry.freeze_clock()
        token = start_ai_task("kling").token
        clock.tick(300)
        complete_ai_task(token, "success", queue_seconds=1, run_seconds=2)
        assert telemetry.histogram("ai_task_duration_seconds").sum == pytest.approx(300, abs=0.001)  # a token has ms

    @pytest.mark.parametrize(
        ("service", "mode", "role", "expected"),
        [
            ("Kling", None, None, ("kling", "default", "anonymous")),
            ("suno", "", "superuser", ("other", "default", "other")),
            (None, 5, "anonymous", ("other", "5", "anonymous")),
            ("kling", "x" * 5000, "vip", ("kling", "other", "vip")),
            ("kling", "夜" * 40, "vip", ("kling", "夜" * 40, "vip")),
        ],
    )
    def test_has_known_labels(self, service, mode, role, expected):
        telemetry = set_up()
        complete_ai_task(start_ai_task(service, mode, user_role=role).token, "success")
        seen = settled(telemetry)
        assert ai(seen) == {(expected[0], status, expected[2]): 1 for status in ("pending", "success")}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {expected[:2]: 1}

    @pytest.mark.parametrize("status", ["done", "", None, "SUCCESS", "pending", "timeout", 1, []])
    def test_ends_as_success_or_failed_and_nothing_else(self, status):
        telemetry = set_up()
        token = start_ai_task("kling").token
        with pytest.raises(ValueError, match="allowed are success and failed"):
            complete_ai_task(token, status)
        assert ended(settled(telemetry)) == {}

    def test_may_end_by_a_member_of_an_enumeration(self):
        telemetry = set_up()
        complete_ai_task(start_ai_task("kling").token, Enum("Status", {"OK": "success"}).OK)
        assert ended(settled(telemetry)) == {("kling", "success"): 1}

    def test_ends_at_its_first_callback(self):
        telemetry = set_up()
        token = start_ai_task("kling").token
        for status in ("failed", "success", "failed"):
            complete_ai_task(token, status)
        assert ended(settled(telemetry)) == {("kling", "failed"): 1}

    def test_ends_once_for_many_threads(self):
        telemetry = set_up()
        tokens = [start_ai_task("kling").token for _ in range(500)]

        def work():
            for token in tokens:
                complete_ai_task(token, "success")

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = settled(telemetry)
        assert ended(seen) == {("kling", "success"): 500}
        assert is_consistent(seen, "kling")

    @pytest.mark.parametrize("token", [None, b"x", 5, "", "garbage", "A" * 200])
    def test_is_not_counted_by_a_token_that_is_none(self, token):
        telemetry = set_up()
        with pytest.raises(TaskTokenError):
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {}

    def test_of_a_forged_token_has_labels_that_are_known(self, caplog):
        telemetry = set_up(task_secret=None)
        span = trace.INVALID_SPAN_CONTEXT
        forged = _ai.new_state("evil", "mode", "root", span)
        complete_ai_task(_ai.encode(forged, ""), "failed", error_type="x")
        seen = settled(telemetry)
        assert ai(seen) == {("other", "failed", "other"): 1}
        assert seen.series("application_errors_total", "component") == {("ai_service_other",): 1}


class TestSpans:
    def test_of_the_end_links_to_the_submission(self, spans):
        telemetry = set_up()
        tracer = trace.get_tracer("test")
        with tracer.start_as_current_span("request"):
            token = start_ai_task("kling", mode="video", model="kling-2").token
        with tracer.start_as_current_span("callback"):
            complete_ai_task(token, "failed", error_type="nsfw", queue_seconds=1, run_seconds=2.5)
        settled(telemetry)
        found = {span.name: span for span in spans.get_finished_spans()}
        start, end = found["start_ai_task kling"], found["complete_ai_task kling"]
        assert start.parent.span_id == found["request"].context.span_id
        assert end.parent.span_id == found["callback"].context.span_id
        (link,) = end.links
        assert (link.context.trace_id, link.context.span_id) == (start.context.trace_id, start.context.span_id)
        assert start.attributes["gen_ai.request.model"] == "kling-2"
        assert dict(end.attributes) == {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "kling",
            "gen_ai.output.type": "video",
            "ai.task.mode": "video",
            "ai.task.queue_duration": 1.0,
            "ai.task.run_duration": 2.5,
            "ai.task.outcome": "failed",
            "error.type": "nsfw",
        }

    def test_leave_out_durations_that_are_none_and_the_task_is_counted(self, spans):
        telemetry = set_up()
        complete_ai_task(start_ai_task("kling").token, "success", queue_seconds="soon", run_seconds=float("nan"))
        assert ended(settled(telemetry)) == {("kling", "success"): 1}
        end = spans.get_finished_spans()[-1]
        assert not [name for name in end.attributes if name.endswith("_duration")]


class TestATimeout:
    def test_is_a_failure_counted_once_and_what_comes_later_is_not_counted(self):
        telemetry = set_up(task_timeout=0.4)
        tokens = [start_ai_task("kling", user_role="vip").token for _ in range(20)]
        complete_ai_task(tokens[0], "success")
        until(telemetry, 20)
        for token in tokens:
            complete_ai_task(token, "success")
        seen = settled(telemetry)
        assert ended(seen) == {("kling", "success"): 1, ("kling", "failed"): 19}
        assert seen.series("ai_service_failures_total", "error_type") == {("timeout",): 19}
        assert seen.value("ai_tasks_total", status="failed", user_role="vip") == 19
        assert is_consistent(seen, "kling")

    def test_is_counted_once_by_all_who_look_for_it_in_redis(self, redis):
        telemetry = set_up(task_timeout=0.4, state_redis=redis.url)
        tokens = [start_ai_task("kling").token for _ in range(1200)]
        until(telemetry, 1200)
        complete_ai_task(tokens[0], "success")
        assert ended(settled(telemetry)) == {("kling", "failed"): 1200}

    def test_a_callback_that_comes_much_too_late_is_not_counted(self):
        telemetry = set_up(task_timeout=0.2)
        token = start_ai_task("kling").token
        telemetry.shutdown()
        time.sleep(0.7)
        telemetry = set_up(task_timeout=0.2)
        complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {}


@contextmanager
def silent_server():
    """What accepts connections and says nothing."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)

        def accept():
            while True:
                try:
                    stack.enter_context(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["dead", "silent"])
def unreachable(request):
    if request.param == "dead":
        yield f"redis://127.0.0.1:{free_port()}/0"
    else:
        with silent_server() as url:
            yield url


class TestARedisThatDoesNotAnswer:
    async def test_is_in_nobodys_way(self, unreachable):
        set_up(state_redis=unreachable, shutdown_timeout=0.5)
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
        assert longest < 0.4

    def test_at_the_end_is_waited_for_no_longer_than_the_setting_says(self, unreachable, caplog):
        with http_receiver() as received:
            telemetry = set_up(
                state_redis=unreachable, shutdown_timeout=1, redis_poll_timeout=5, otlp_endpoint=received.url
            )
            for _ in range(7):
                complete_ai_task(start_ai_task("kling").token, "success")
            before = time.monotonic()
            telemetry.shutdown()
            assert time.monotonic() - before < 1.5
            assert "7 ends of AI tasks could not be claimed" in caplog.text
            (dropped,) = received.points("wxiai_otel.tasks.dropped")
            assert dropped.as_double == 7 or dropped.as_int == 7
            counts = {
                (a["service"], a["status"]): point.as_int
                for point in received.points("ai.tasks")
                if point.as_int and (a := {item.key: item.value.string_value for item in point.attributes})
            }
            assert counts == {("kling", "pending"): 7}

    def test_a_flush_takes_no_longer_than_it_may(self, unreachable):
        telemetry = set_up(state_redis=unreachable, redis_poll_timeout=5, shutdown_timeout=0.5)
        complete_ai_task(start_ai_task("kling").token, "success")
        before = time.monotonic()
        assert telemetry.force_flush(1) is False
        assert time.monotonic() - before < 1.5

    def test_and_comes_back_gets_what_was_kept(self, caplog):
        port = free_port()
        telemetry = set_up(state_redis=f"redis://127.0.0.1:{port}/0", task_timeout=8)
        tokens = [start_ai_task("kling").token for _ in range(1500)]
        for token in tokens * 2:
            complete_ai_task(token, "success")
        time.sleep(0.5)
        assert ended(scrape(telemetry)) == {}
        with redis_server(port=port):
            until(telemetry, 1500)
            for token in tokens:
                complete_ai_task(token, "failed")
            assert ended(settled(telemetry)) == {("kling", "success"): 1500}
        assert len([r for r in caplog.records if "cannot be settled" in r.message]) == 1

    def test_that_stalls_in_the_middle_counts_each_claim_once(self, redis):
        telemetry = set_up(state_redis=redis.url, redis_poll_timeout=0.2)
        settled(telemetry)
        redis.ask("CLIENT", "PAUSE", "700", "ALL")
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
    def test_is_made_again_and_counted_once(self, redis, monkeypatch, method, when, completed):
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
        telemetry = set_up(state_redis=redis.url, task_timeout=0.6)
        tokens = [start_ai_task("kling").token for _ in range(20)]
        for token in tokens[:completed] * 2:
            complete_ai_task(token, "success")
        until(telemetry, 20)
        time.sleep(0.3)
        seen = settled(telemetry)
        assert seen.value("ai_tasks_total", status="success") == completed
        assert seen.value("ai_tasks_total", status="failed") == 20 - completed


class TestMemoryUntilARedisIsSeen:
    def test_what_was_counted_before_is_not_counted_again(self, redis):
        telemetry = set_up(state_redis=None)
        tokens = [start_ai_task("kling").token for _ in range(1100)]
        for token in tokens[:600]:
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 600}
        assert redis.ask("KEYS", "*task*") == "*0\r\n"

        redis_py.Redis(port=redis.port).ping()
        for token in tokens:
            complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 1100}
        telemetry.shutdown()

        another = set_up(state_redis=redis.url)
        for token in tokens:
            complete_ai_task(token, "success")
        assert ended(settled(another)) == {}

    def test_what_is_open_times_out_there(self, redis):
        telemetry = set_up(state_redis=None, task_timeout=1)
        for _ in range(700):
            start_ai_task("kling")
        settled(telemetry)
        redis_py.Redis(port=redis.port).ping()
        settled(telemetry)
        telemetry.shutdown()
        another = set_up(state_redis=redis.url, task_timeout=1)
        until(another, 700)
        assert ended(settled(another)) == {("kling", "failed"): 700}

    def test_memory_stays_memory_where_the_setting_says_so(self, redis):
        telemetry = set_up(state_redis="memory")
        redis_py.Redis(port=redis.port).ping()
        complete_ai_task(start_ai_task("kling").token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 1}
        assert redis.ask("KEYS", "*task*") == "*0\r\n"

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr(_task_store, "MAX_REMEMBERED", 10)
        store = _task_store.MemoryTaskStore()
        store.open([(f"id{n}", f"token{n}", 0.0) for n in range(20)])
        assert store.overdue(100) == [f"token{n}" for n in range(10, 20)]
        store.claim([_task_store.Claim(f"id{n}", f"token{n}", "owner") for n in range(20)], keep=1)
        assert len(store.all_claimed()) == 10


class TestAFork:
    def test_has_nothing_of_its_parents_pending(self, redis):
        telemetry = set_up(state_redis=redis.url, task_timeout=600)
        tokens = [start_ai_task("kling").token for _ in range(300)]
        settled(telemetry)
        before = scrape(telemetry)
        redis.ask("CLIENT", "PAUSE", "300", "ALL")
        for token in tokens[:200]:
            complete_ai_task(token, "success")
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                for token in tokens:
                    complete_ai_task(token, "success")
                telemetry.force_flush(5)
                counted = ended(scrape(telemetry)).get(("kling", "success"), 0)
                os.write(writing, str(int(counted - ended(before).get(("kling", "success"), 0))).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        by_child = int(os.read(reading, 100))
        by_parent = ended(settled(telemetry)).get(("kling", "success"), 0)
        assert by_child + by_parent == 300
        assert by_child >= 100

    def test_does_not_time_out_what_its_parent_began(self):
        telemetry = set_up(task_timeout=0.5)
        start_ai_task("kling")
        settled(telemetry)
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                time.sleep(1.2)
                os.write(writing, str(sum(ended(scrape(telemetry)).values())).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert float(os.read(reading, 100)) == 0
        assert ended(until(telemetry, 1)) == {("kling", "failed"): 1}


class TestWithoutTelemetry:
    def test_a_task_that_was_not_counted_when_it_began_is_not_when_it_ends(self):
        token = start_ai_task("kling", mode="video").token
        complete_ai_task(token, "success")
        telemetry = set_up()
        complete_ai_task(token, "success")
        assert ai(settled(telemetry)) == {}

    def test_a_token_of_other_processes_is_no_error(self):
        telemetry = set_up(task_secret="given as an argument")
        token = start_ai_task("kling").token
        telemetry.shutdown()
        complete_ai_task(token, "success")
        set_up(disabled=True)
        complete_ai_task(token, "success")

    def test_what_is_no_token_is_one(self):
        for garbage in (None, "garbage", b"x"):
            with pytest.raises(TaskTokenError):
                complete_ai_task(garbage, "success")


class TestWithoutASecret:
    def test_one_warning_says_so_at_the_first_task(self, caplog):
        telemetry = set_up(task_secret=None)
        assert "task_secret" not in caplog.text
        for _ in range(3):
            complete_ai_task(start_ai_task("kling").token, "success")
        telemetry.shutdown()
        set_up(task_secret=None)
        start_ai_task("kling")
        warnings = [record for record in caplog.records if "task_secret" in record.message]
        assert [record.levelno for record in warnings] == [logging.WARNING]

    def test_there_is_no_warning_with_one(self, caplog):
        set_up()
        start_ai_task("kling")
        assert "task_secret" not in caplog.text


@pytest.mark.faulty
class TestAFaultOfOurs:
    @pytest.mark.parametrize("name", ["_count_submitted", "_attributes", "_say_outcome", "word", "new_state", "_age"])
    def test_raises_nothing(self, monkeypatch, name):
        telemetry = set_up()

        def broken(*_args, **_kwargs):
            raise RuntimeError("a fault")

        if name == "word":
            monkeypatch.setattr(_ai, "class_name", broken)
        else:
            monkeypatch.setattr(_ai, name, broken)
        complete_ai_task(start_ai_task("kling").token, "failed", error_type="x")
        telemetry.force_flush(5)

    def test_of_its_span_leaves_the_task_counted(self, monkeypatch):
        telemetry = set_up()
        token = start_ai_task("kling").token

        def broken(*_args, **_kwargs):
            raise RuntimeError("a fault")

        monkeypatch.setattr(_ai, "_say_outcome", broken)
        complete_ai_task(token, "success")
        assert ended(settled(telemetry)) == {("kling", "success"): 1}
