"""Exactly the slow, the failed and the chosen traces leave, and they are complete."""

import copy
import os
import pickle
import threading
import time
from collections import deque

import pytest
from fastapi import FastAPI
from opentelemetry import context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context

from tests.internals import faults
from tests.scrape import scrape
from tests.tracing.conftest import Left
from tests.until import until
from wxiai_otel import complete_ai_task, start_ai_task

MINUTE = 60_000_000_000  # what `begin` calls slow


def span(name="root", minutes=0.0, parent=None, failed=False, inside=()):
    """A span of so many minutes, ended after those inside it."""
    tracer, start = trace.get_tracer("app"), time.time_ns()
    made = tracer.start_span(name, parent, start_time=start)
    for child in inside:
        span(child, parent=set_span_in_context(made))
    if failed:
        made.set_status(StatusCode.ERROR)
    made.end(start + int(minutes * MINUTE))
    return made


def under(made):
    return set_span_in_context(made)


def tail():
    return trace.get_tracer_provider()._active_span_processor


def nothing_waits():
    return (tail()._waiting, len(tail()._open)) == (0, 0)


def test_a_slow_trace_leaves_whole_and_a_fast_one_not_at_all(begin):
    left = begin()
    span("fast", 0.99, inside=["a", "b"])
    span("slow", 1, inside=["c", "d"])

    assert left.names == ["c", "d", "slow"]
    assert nothing_waits()


def test_a_trace_leaves_whole_when_any_of_its_spans_failed(begin):
    left = begin()
    root = trace.get_tracer("app").start_span("root")
    span("before", parent=under(root))
    span("failed", parent=under(root), failed=True)
    span("after", parent=under(root))
    root.end()

    assert left.names == ["after", "before", "failed", "root"]


def test_a_chosen_trace_leaves_without_waiting(begin):
    left = begin(trace_share=1)
    root = trace.get_tracer("app").start_span("root")
    span("child", parent=under(root))
    assert left.names == ["child"]
    root.end()

    assert left.names == ["child", "root"]


@pytest.mark.parametrize(("minutes", "kept"), [(1, ["late", "later", "root"]), (0, [])])
def test_spans_that_end_after_their_root_follow_its_decision(begin, minutes, kept):
    left = begin()
    tracer, start = trace.get_tracer("app"), time.time_ns()
    root = tracer.start_span("root", start_time=start)
    late = tracer.start_span("late", under(root))
    root.end(start + minutes * MINUTE)
    span("later", 5, parent=under(late), failed=True)
    late.end()

    assert left.names == kept


def test_a_context_without_its_span_follows_too(begin):
    left = begin()
    tracer, start = trace.get_tracer("app"), time.time_ns()
    root = tracer.start_span("root", start_time=start)
    root.end(start + MINUTE)
    span("child", parent=under(NonRecordingSpan(root.get_span_context())))

    assert left.names == ["child", "root"]


def test_the_parts_of_one_trace_under_two_local_roots_are_decided_apart(begin):
    left = begin()
    caller = under(NonRecordingSpan(SpanContext(5, 6, True, TraceFlags(1))))
    slow = trace.get_tracer("app").start_span("slow", caller)
    span("fast", parent=caller, inside=["a"])
    span("b", parent=under(slow))
    slow.end(time.time_ns() + MINUTE)

    assert left.names == ["b", "slow"]


def test_a_span_context_can_be_pickled_and_copied(begin):
    begin()
    found = span().get_span_context()

    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == found


def test_threads_that_end_spans_while_the_root_ends_lose_none(begin):
    """Each round has one root that is slow and one that is not, and threads that end spans as both end."""
    left, rounds, threads = begin(), 100, 8
    for _ in range(rounds):
        roots = [trace.get_tracer("app").start_span(name) for name in ("slow", "fast")]
        gate = threading.Barrier(threads + 1)

        def work(gate=gate, roots=roots):
            gate.wait()
            for root in roots * 5:
                span(f"of {root.name}", parent=under(root))

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        gate.wait()
        roots[0].end(time.time_ns() + MINUTE)
        roots[1].end(roots[1].start_time)  # however busy the machine is
        for worker in workers:
            worker.join()

    assert left.names == ["of slow"] * rounds * threads * 5 + ["slow"] * rounds
    assert nothing_waits()


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_span_that_ends_in_the_moment_of_the_decision_follows_it(begin, minutes):
    left = begin()
    root = trace.get_tracer("app").start_span("root")

    class JustThen(deque):
        def append(self, item):
            if item.name == "child":
                root.end(time.time_ns() + minutes * MINUTE)
            super().append(item)

    root.get_span_context().trace_state.waiting = JustThen()
    span("child", parent=under(root))

    assert left.names == ["child", "root"][: 2 * minutes]
    assert nothing_waits()


def test_a_root_that_is_open_too_long_is_decided_then_and_the_rest_follows(begin):
    left = begin(trace_buffer_seconds=0.2, slow_request_seconds=0.1)
    root = trace.get_tracer("app").start_span("hangs")
    span("before", parent=under(root))
    assert left.names == []

    until(lambda: left.names == ["before"])
    span("after", parent=under(root))
    root.end()
    assert left.names == ["after", "before", "hangs"]


def test_a_root_that_is_open_too_long_but_not_slow_is_dropped(begin):
    left = begin(trace_buffer_seconds=0.2)
    root = trace.get_tracer("app").start_span("root")
    span("before", parent=under(root))

    until(nothing_waits)
    span("after", parent=under(root), failed=True)
    root.end(time.time_ns() + 2 * MINUTE)
    assert left.names == []


def test_at_overflow_the_probability_decides_and_it_is_counted(begin):
    left = begin(trace_buffer_spans=10)
    root = trace.get_tracer("app").start_span("many")
    for _ in range(11):
        span("one of many", parent=under(root))
    assert nothing_waits()
    span("slow", 1, inside=["child"])
    root.end(time.time_ns() + MINUTE)

    assert left.names == ["child", "slow"]
    assert scrape(left.telemetry).value("wxiai_otel_traces_overflowed_total") == 1


def test_memory_is_bounded_when_roots_and_spans_never_end(begin):
    left = begin(trace_buffer_spans=100)
    roots = [trace.get_tracer("app").start_span("root") for _ in range(1000)]
    for root in roots:
        for _ in range(3):
            span("child", parent=under(root))

    assert len(tail()._open) <= 100
    assert sum(len(root.get_span_context().trace_state.waiting) for root in roots) == tail()._waiting <= 100
    assert scrape(left.telemetry).value("wxiai_otel_traces_overflowed_total") == 1000 - len(tail()._open)


def test_roots_that_stay_open_are_bounded_though_nothing_waits(begin):
    left = begin(trace_buffer_spans=100)
    roots = [trace.get_tracer("app").start_span("root") for _ in range(150)]

    assert len(tail()._open) == 100
    assert scrape(left.telemetry).value("wxiai_otel_traces_overflowed_total") == 50
    for root in roots:
        root.end(time.time_ns() + MINUTE)
    assert left.names == ["root"] * 100


def test_the_work_of_the_exporter_falls_with_the_share_kept(begin):
    left = begin(trace_share=0.1)
    made = [span("root", inside=["a", "b", "c"]).get_span_context() for _ in range(2000)]
    chosen = sum(one.trace_flags.sampled for one in made)

    assert 140 < chosen < 260
    assert len(left.spans) == 4 * chosen


def test_a_submitted_task_keeps_its_trace_so_that_the_link_to_it_leads_somewhere(begin):
    left = begin()
    with trace.get_tracer("app").start_as_current_span("request"):
        span("query", parent=context.get_current())
        task = start_ai_task("kling")
    alone = start_ai_task("flux")
    span("fast")
    complete_ai_task(task.token, "failed")
    complete_ai_task(alone.token, "failed")

    of_name = {one.name: one for one in left.spans}
    assert left.names == sorted(
        [
            "query",
            "request",
            *(f"{verb}_ai_task {name}" for verb in ("start", "complete") for name in ("kling", "flux")),
        ]
    )
    for name in ("kling", "flux"):
        (link,) = of_name[f"complete_ai_task {name}"].links
        assert link.context.span_id == of_name[f"start_ai_task {name}"].context.span_id


def test_a_task_that_is_submitted_after_its_request_was_dropped_is_kept_itself(begin):
    left = begin()
    with trace.use_span(span("fast")):
        start_ai_task("kling")

    assert left.names == ["start_ai_task kling"]


def test_what_is_open_at_the_end_of_the_process_is_decided_then(begin):
    left = begin()
    root = trace.get_tracer("app").start_span("root")
    span("child", parent=under(root))
    root.get_span_context().trace_state.opened -= 60
    quick = trace.get_tracer("app").start_span("quick")
    span("dropped", parent=under(quick))
    left.telemetry.shutdown()

    assert left.names == ["child"]


def test_a_forked_child_leaves_what_waits_to_its_parent_and_decides_for_itself(begin):
    left = begin()
    root = trace.get_tracer("app").start_span("root")
    span("before", parent=under(root))
    child = os.fork()
    if child == 0:
        try:
            span("slow", 2, inside=["own"])
            span("of the parent's", parent=under(root))
            root.end(time.time_ns() + 2 * MINUTE)
            threads = [thread.name for thread in threading.enumerate()]
            ok = left.names == ["own", "slow"] and nothing_waits() and "wxiai-otel-traces" in threads
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    root.end(time.time_ns() + 2 * MINUTE)

    assert left.names == ["before", "root"]


@pytest.mark.faulty
def test_a_fault_of_a_processor_reaches_neither_the_application_nor_the_others(begin):
    class Broken(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise RuntimeError

        def on_end(self, span):
            raise RuntimeError

    begin()
    trace.get_tracer_provider().add_span_processor(Broken())
    exporter = Left()
    before = faults().get("tracing.export", 0)
    span("slow", 1)

    assert exporter.names == ["slow"]
    assert faults()["tracing.export"] == before + 1


@pytest.mark.faulty
def test_a_fault_of_the_decision_does_not_reach_the_application(begin, monkeypatch):
    begin()
    monkeypatch.setattr(type(tail()), "_is_slow", lambda *_: 1 / 0)
    before = faults().get("tracing.end", 0)
    span()

    assert faults()["tracing.end"] == before + 1


def test_where_the_gateway_decides_all_spans_leave(begin):
    left = begin(tail_sampling="collector")
    made = span("fast", inside=["a"])

    assert left.names == ["a", "fast"]
    assert made.get_span_context().trace_flags.sampled


def test_the_standard_sampler_goes_before_and_nothing_else_decides(begin, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    left = begin()
    span("fast", inside=["a"])

    assert left.names == ["a", "fast"]


def test_on_the_applications_own_provider_no_decision_is_stacked(spans, begin):
    own = trace.get_tracer_provider()
    begin(FastAPI())
    span("fast", inside=["a"])

    assert isinstance(own, TracerProvider)
    assert [one.name for one in spans.get_finished_spans()] == ["a", "fast"]
