"""Tasks that are begun here and ended there: counted once, whatever becomes of Redis, and never in anybody's way."""

import logging
import os
import threading
import time
from enum import Enum

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.business.ai_tasks import ai, is_consistent
from tests.business.internals import _ai
from tests.business.tasks import after, ended, set_up, settled
from tests.scrape import scrape
from wxiai_otel import TaskTokenError, complete_ai_task, start_ai_task


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
    def test_completes_only_as_success_failed_or_cancelled(self, status):
        telemetry = set_up()
        token = start_ai_task("kling").token
        with pytest.raises(ValueError, match="must be success, failed or cancelled"):
            complete_ai_task(token, status)
        assert ended(settled(telemetry)) == {}

    def test_that_is_cancelled_ignores_an_error_type(self, spans):
        telemetry = set_up()
        complete_ai_task(start_ai_task("kling").token, "cancelled", error_type="warning")
        seen = settled(telemetry)
        assert ended(seen) == {("kling", "cancelled"): 1}
        assert is_consistent(seen, "kling")
        assert not seen.has("application_errors_total")
        assert {span.status.status_code for span in spans.get_finished_spans()} == {StatusCode.UNSET}

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
        after(telemetry, 20)
        for token in tokens:
            complete_ai_task(token, "success")
        seen = settled(telemetry)
        assert ended(seen) == {("kling", "success"): 1, ("kling", "failed"): 19}
        assert seen.series("ai_service_failures_total", "error_type") == {("timeout",): 19}
        assert seen.value("ai_tasks_total", status="failed", user_role="vip") == 19
        assert is_consistent(seen, "kling")

    def test_is_counted_once_by_all_who_look_for_it_in_redis(self, redis_server):
        telemetry = set_up(task_timeout=0.4, state_redis=redis_server.url)
        tokens = [start_ai_task("kling").token for _ in range(1200)]
        after(telemetry, 1200)
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


class TestAFork:
    def test_has_nothing_of_its_parents_pending(self, redis_server):
        telemetry = set_up(state_redis=redis_server.url, task_timeout=600)
        tokens = [start_ai_task("kling").token for _ in range(300)]
        settled(telemetry)
        before = scrape(telemetry)
        redis_server.ask("CLIENT", "PAUSE", "300", "ALL")
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
        assert ended(after(telemetry, 1)) == {("kling", "failed"): 1}


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
