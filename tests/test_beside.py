"""Requests feel little of what is done in a thread beside them, and the process is left as it was."""

import gc
import subprocess
import sys
import threading

import pytest
from opentelemetry import metrics

from tests.internals import garbage_kept, short_turns

USUAL_SECONDS = 0.005
FORKS = """
import gc, os, sys
from tests.internals import garbage_kept, short_turns

with short_turns, garbage_kept:
    child = os.fork()
    if child == 0:
        print(gc.isenabled(), sys.getswitchinterval(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""

# Without threads of telemetry: their work leaves garbage too.
SCRAPES = """
import gc, threading
from fastapi import FastAPI
import wxiai_otel

def refused(_thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refused

telemetry = wxiai_otel.setup_telemetry(FastAPI(), traces_exporter="none", metrics_exporter="none")
telemetry.render_metrics()
gc.collect()
telemetry.render_metrics()
print(gc.collect(), flush=True)
"""


def _by_itself(code):
    """What a process prints in which nothing goes on that other tests have begun."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def usual():
    assert gc.isenabled()
    sys.setswitchinterval(USUAL_SECONDS)
    yield
    sys.setswitchinterval(USUAL_SECONDS)
    gc.enable()


class TestShortTurns:
    def test_are_as_long_as_the_work_and_no_longer(self):
        with short_turns:
            assert sys.getswitchinterval() < USUAL_SECONDS / 5
        assert sys.getswitchinterval() == USUAL_SECONDS

    def test_end_with_the_last_of_several_threads(self):
        inside, leave = threading.Event(), threading.Event()

        def work() -> None:
            with short_turns:
                inside.set()
                leave.wait(30)

        thread = threading.Thread(target=work)
        with short_turns:
            thread.start()
            assert inside.wait(30)
        assert sys.getswitchinterval() < USUAL_SECONDS
        leave.set()
        thread.join()
        assert sys.getswitchinterval() == USUAL_SECONDS

    def test_end_where_the_work_fails(self):
        with pytest.raises(ZeroDivisionError), short_turns:
            _ = 1 / 0
        assert sys.getswitchinterval() == USUAL_SECONDS

    def test_leave_shorter_ones_alone(self):
        sys.setswitchinterval(0.0001)
        before = sys.getswitchinterval()
        with short_turns:
            assert sys.getswitchinterval() == before
        assert sys.getswitchinterval() == before

    @pytest.mark.parametrize("seconds", [0.0007, 0.001, 0.0011, 0.005, 0.007, 0.1])
    def test_leave_an_interval_exactly_as_it_was_however_often(self, seconds):
        sys.setswitchinterval(seconds)
        before = sys.getswitchinterval()
        for _ in range(100):
            with short_turns:
                pass
        assert sys.getswitchinterval() == before

    def test_leave_alone_what_the_application_sets_meanwhile(self):
        with short_turns:
            sys.setswitchinterval(0.02)
        assert sys.getswitchinterval() == pytest.approx(0.02, abs=1e-6)


class TestGarbage:
    def test_is_collected_again_after_the_work(self):
        with garbage_kept:
            assert not gc.isenabled()
        assert gc.isenabled()

    def test_is_still_not_collected_where_the_application_does_not_want_it(self):
        gc.disable()
        with garbage_kept:
            pass
        assert not gc.isenabled()


class TestAForkedChild:
    def test_is_as_it_was_though_no_thread_of_its_own_ends_the_work(self):
        # What goes on in this one may be at work in a child too.
        assert _by_itself(FORKS) == f"True {USUAL_SECONDS}\n"


class TestAScrape:
    @pytest.fixture
    def seen(self, live):
        """What the process is like while a gauge of the application is asked for its value."""
        found = []

        def look(_options):
            found.append((gc.isenabled(), sys.getswitchinterval()))
            return []

        metrics.get_meter("shop").create_observable_gauge("shop.looked", [look])
        return found

    def test_takes_short_turns_and_brings_on_no_collection(self, live, seen):
        live.render_metrics()
        [(is_collecting, turn)] = seen
        assert not is_collecting
        assert turn < USUAL_SECONDS / 5

    def test_leaves_all_as_it_was(self, live, seen):
        live.render_metrics()
        assert gc.isenabled()
        assert sys.getswitchinterval() == USUAL_SECONDS

    def test_leaves_nothing_behind_that_a_collection_would_find(self):
        """That is why none is needed meanwhile."""
        assert _by_itself(SCRAPES) == "0\n"
