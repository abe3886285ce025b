"""Helpers called from destructors and signal handlers, which interrupt a thread anywhere: see `wxiai_otel._reentry`."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.internals import Flag, Serial, may_log, may_use_sdk
from wxiai_otel import record_error, setup_telemetry

# Longer runs find rarer faults. The default keeps the suite fast.
SECONDS = float(os.environ.get("REENTRY_SECONDS", "1"))
# What is measured goes to our own storage, or to the SDK's, which has locks.
CHILDREN = [
    ("destructor", "ours"),
    ("destructor", "sdk"),
    ("signal", "ours"),
    ("signal", "sdk"),
    ("weakref", "ours"),
    ("profile", "sdk"),
]
STORAGES = {"ours": {}, "sdk": {"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}}


@pytest.fixture(scope="module")
def children(tmp_path_factory):
    """Run all processes at once: they mostly wait for a signal or for each other."""
    started = {}
    for kind, storage in CHILDREN:
        # Some answer scrapes for several workers.
        folder = str(tmp_path_factory.mktemp("workers")) if storage == "ours" else "none"
        started[kind, storage] = subprocess.Popen(
            [sys.executable, "-m", "tests.reentry", kind, str(SECONDS)],
            env={**os.environ, **STORAGES[storage], "WXIAI_OTEL_WORKERS_FOLDER": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize(("kind", "storage"), CHILDREN)
@pytest.mark.timeout(SECONDS + 110)
@pytest.mark.long
def test_helpers_that_interrupt_helpers_return_and_count_once(children, kind, storage):
    output, _ = children[kind, storage].communicate(timeout=SECONDS + 100)
    # The exporters have no receiver.
    shown = "\n".join(
        line for line in output.splitlines() if not line.startswith(("Transient error", "Failed to export"))
    )
    assert children[kind, storage].returncode == 0, shown[-4000:]
    assert int(output.splitlines()[-1].split()[0]) > 20


@pytest.mark.faulty
def test_destructors_that_new_series_trigger_may_record_errors():
    telemetry = setup_telemetry(service_name="leaks", workers_folder="none", state_redis="memory")
    before = _counted(telemetry)
    recorded = 0

    class Leaked:
        def __init__(self):
            self.me = self

        def __del__(self):
            nonlocal recorded
            recorded += 1
            record_error(f"Leak{recorded}", "pool")

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for i in range(150):
            Leaked()
            record_error(f"E{i}", "c")
        gc.collect()
    finally:
        gc.set_threshold(*thresholds)
    try:
        assert recorded == 150
        assert _counted(telemetry) - before == 300
    finally:
        telemetry.shutdown()


def _counted(telemetry):
    recorder = telemetry._runtime.instruments["application.errors"]
    return sum(total.value for total in recorder.series.all())


def test_an_exception_hook_and_a_log_handler_may_record(monkeypatch):
    import logging

    telemetry = setup_telemetry(service_name="hooks", workers_folder="none", state_redis="memory")

    class Handler(logging.Handler):
        def emit(self, record):
            record_error(record.levelname, "logs")

    logger = logging.getLogger("wxiai_otel.events")
    handler = Handler()
    monkeypatch.setattr(threading, "excepthook", lambda args: record_error(args.exc_type, "threads"))
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: record_error(kind, "main"))
    logger.addHandler(handler)
    before = _counted(telemetry)
    try:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        sys.excepthook(KeyError, KeyError(), None)
    finally:
        logger.removeHandler(handler)
    # Each error is counted, and the handler counts each record once, without writing further records.
    counted = _counted(telemetry) - before
    telemetry.shutdown()
    assert counted == 4


class TestSerial:
    def test_runs_a_nested_change_after_the_outer_one(self):
        serial, order = Serial(), []

        def outer():
            order.append("begins")
            serial.run(order.append, "within")
            order.append("ends")

        serial.run(outer)
        assert order == ["begins", "ends", "within"]

    def test_runs_each_change_of_many_threads_once_and_alone(self):
        serial, count, within = Serial(), 0, 0

        def change():
            nonlocal count, within
            within += 1
            assert within == 1
            for _ in range(5):
                time.sleep(0)
            count += 1
            within -= 1

        threads = [threading.Thread(target=lambda: [serial.run(change) for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert serial.finish(lambda: None)
        assert (count, within) == (2_000, 0)

    def test_continues_after_an_exception_in_a_change_or_a_signal_handler(self):
        class Interrupted(Exception):
            pass

        def interrupt(*_):
            raise Interrupted

        before = signal.signal(signal.SIGALRM, interrupt)
        serial, counts = Serial(), [0]

        def change():
            counts[0] += 1

        try:
            for i in range(200):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0002 + i * 1e-6)
                    while True:
                        serial.run(change)
                except Interrupted:
                    pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        so_far = counts[0]
        assert serial.finish(change, seconds=1)
        assert counts[0] > so_far

    def test_held_queues_changes_and_is_refused_to_interruptions(self):
        serial, found, started = Serial(), [], time.monotonic()

        def change():
            found.append(serial.finish(lambda: None, seconds=30))
            with serial.held(30) as held:
                found.append(held)

        serial.run(change)
        with serial.held(1) as held:
            serial.run(found.append, "late")
            assert found == [False, False]
        assert held
        assert found == [False, False, "late"]
        assert time.monotonic() - started < 10

    def test_bounds_the_changes_that_one_thread_runs_for_others(self):
        serial = Serial()

        def change(again):
            if again:
                serial.run(change, again)

        serial.run(change, True)  # forever, if it ran all changes that it finds
        assert serial._waiting

    def test_held_is_refused_to_the_thread_that_holds_it_and_to_another_in_time(self):
        serial, found = Serial(), []

        def other():
            with serial.held(0.05) as held:
                found.append(held)

        with serial.held(1) as held:
            assert held
            with serial.held(60) as again:
                assert not again
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        other()
        assert found == [False, True]

    def test_is_free_in_a_forked_child_if_another_thread_held_it(self):
        serial, held, release = Serial(), threading.Event(), threading.Event()

        def hold():
            with serial.held(1):
                held.set()
                release.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        if (child := os.fork()) == 0:
            signal.alarm(60)
            with serial.held(1) as free:
                os._exit(0 if free else 1)
        release.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestFlag:
    def test_wakes_all_waiting_threads_and_stays_set(self):
        flag, woken = Flag(), []
        threads = [threading.Thread(target=lambda: woken.append(flag.wait(10))) for _ in range(5)]
        for thread in threads:
            thread.start()
        flag.set()
        flag.set()
        for thread in threads:
            thread.join()
        assert woken == [True] * 5
        assert flag.is_set()

    @pytest.mark.parametrize("timeout", [0, -1, 0.01])
    def test_waits_at_most_the_timeout_if_not_set_or_cleared(self, timeout):
        flag = Flag()
        assert not flag.wait(timeout)
        flag.set()
        flag.clear()
        flag.clear()
        assert not flag.is_set()
        assert not flag.wait(timeout)


class TestLocksOfOthers:
    """The effects that a helper omits if it interrupts code that holds a lock."""

    def test_a_log_record_within_a_handler_a_queue_and_an_event(self):
        import logging
        import queue

        found = []

        class Handler(logging.Handler):
            def emit(self, _record):
                found.append(may_log())

        class Queue(queue.Queue):
            def _put(self, item):
                found.append(may_log())

        class Condition(threading.Condition):
            def notify_all(self):
                found.append(may_log())

        event = threading.Event()
        event._cond = Condition()
        Handler().handle(logging.makeLogRecord({}))
        Queue().put(1)
        event.set()
        assert found == [False, False, False]

    def test_nothing_elsewhere(self):
        found = []

        class Thread(threading.Thread):
            def run(self):
                found.append((may_log(), may_use_sdk()))

        threads = [Thread(), threading.Timer(0, lambda: found.append((may_log(), may_use_sdk())))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [(True, True)] * 2
        assert (may_log(), may_use_sdk()) == (True, True)

    def test_a_span_within_the_sdk(self):
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

        found = []

        class Processor(SpanProcessor):
            def on_end(self, span):
                found.append(may_use_sdk())

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(Processor())
        provider.get_tracer("t").start_span("s").end()
        assert found == [False]
