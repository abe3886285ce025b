"""Work in the background goes on whatever it raises, in a forked child as well, and is in nobody's way."""

import gc
import os
import threading
import time
from weakref import ref

import pytest

from tests.forks import forked
from tests.internals import Periodic, background, in_forked_child, is_own_traffic, left, resume, side_by_side
from tests.until import until


@pytest.fixture
def periodic():
    made = []

    def make(function, interval=60.0, forked=None):
        made.append(Periodic("test-periodic", interval, function, forked))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def refused(_thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.fixture
def no_threads(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", refused)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "test-periodic"]


class TestAFunction:
    def test_is_called_at_once_and_again_and_again(self, periodic):
        calls = []
        periodic(lambda: calls.append(1), interval=0.01).start()
        until(lambda: len(calls) > 3)

    def test_is_called_before_its_time_when_it_is_woken(self, periodic):
        calls = []
        work = periodic(lambda: calls.append(1))
        work.start()
        until(lambda: len(calls) == 1)
        work.wake()
        until(lambda: len(calls) == 2)
        time.sleep(0.05)
        assert len(calls) == 2

    def test_is_called_again_for_who_wakes_it_while_it_is_called(self, periodic):
        calls, release = [], threading.Event()

        def function():
            calls.append(1)
            release.wait(30)

        work = periodic(function)
        work.start()
        until(lambda: len(calls) == 1)
        work.wake()
        release.set()
        until(lambda: len(calls) == 2)

    def test_is_called_by_one_thread_at_a_time(self, periodic):
        inside, most = [], []

        def function():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()

        work = periodic(function, interval=0.0001)
        work.start()
        callers = [threading.Thread(target=lambda: [work.now(5) for _ in range(20)]) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert max(most) == 1

    @pytest.mark.faulty
    def test_that_raises_is_called_again(self, periodic):
        calls = []

        def function():
            calls.append(1)
            raise RuntimeError

        work = periodic(function, interval=0.01)
        work.start()
        until(lambda: len(calls) > 3)
        assert work.now(1)

    def test_asks_as_telemetry(self, periodic):
        seen = []
        work = periodic(lambda: seen.append(is_own_traffic()))
        work.start()
        work.now(1)
        until(lambda: seen == [True, True])
        assert not is_own_traffic()


class TestNow:
    def test_is_done_when_it_returns_without_a_thread_too(self, periodic):
        calls = []
        assert periodic(lambda: calls.append(1)).now(0)
        assert calls == [1]

    def test_waits_no_longer_than_it_is_told(self, periodic):
        release = threading.Event()
        work = periodic(lambda: release.wait(30))
        work.start()
        until(lambda: not work.now(0))
        before = time.monotonic()
        assert work.now(0.1) is False
        assert work.now(-1) is False
        assert time.monotonic() - before < 10
        release.set()


class TestTheThread:
    def test_is_one_however_often_it_is_started_and_keeps_no_process_alive(self, periodic):
        until(lambda: not threads())  # those of the tests before have been told to end
        work = periodic(lambda: None)
        for _ in range(3):
            work.start()
        assert [thread.daemon for thread in threads()] == [True]

    def test_ends_at_stop_and_can_be_started_again(self, periodic):
        calls = []
        work = periodic(lambda: calls.append(1))
        work.start()
        until(lambda: calls)
        work.stop()
        until(lambda: not threads())
        assert len(calls) == 1

    def test_is_left_to_nobody_when_its_owner_is_gone(self):
        work = Periodic("test-periodic", 60, lambda: None)
        gone = ref(work)
        del work
        gc.collect()
        assert gone() is None


class TestAtTheThreadLimit:
    @pytest.mark.faulty
    def test_work_starts_when_it_is_woken_and_a_thread_can_be_started(self, periodic, monkeypatch):
        calls = []
        with monkeypatch.context() as limited:
            limited.setattr(threading.Thread, "start", refused)
            work = periodic(lambda: calls.append(1))
            work.start()
            assert work.now(1)
        assert calls == [1]
        work.wake()
        until(lambda: len(calls) == 2)

    def test_waking_does_not_start_work_that_is_not_started_or_stopped(self, periodic):
        calls = []
        work = periodic(lambda: calls.append(1))
        work.wake()
        work.start()
        until(lambda: calls == [1])
        work.stop()
        work.wake()
        time.sleep(0.05)
        assert calls == [1]


class TestAFork:
    def test_pauses_the_work_until_it_is_resumed(self, periodic):
        order = []
        work = periodic(lambda: order.append("call"), interval=60, forked=lambda: order.append("forked"))
        work.start()
        until(lambda: order == ["call"])

        def child():
            started = order.copy(), threading.active_count()
            resume()
            until(lambda: len(order) == 3)
            return *started, order

        assert forked(child) == "(['call', 'forked'], 1, ['call', 'forked', 'call'])"
        assert order == ["call"]

    def test_does_not_wait_for_a_call_that_its_parent_is_making(self, periodic):
        release, calls = threading.Event(), []

        def function():
            calls.append(os.getpid())
            if len(calls) == 1:
                release.wait(30)

        work = periodic(function)
        work.start()
        until(lambda: calls)

        def child():
            return work.now(1) and os.getpid() in calls

        assert forked(child) == "True"
        release.set()

    def test_calls_methods_in_the_order_of_their_registration(self):
        order = []

        class Forked:
            def __init__(self, number):
                self.number = number
                in_forked_child(self.after_fork)

            def after_fork(self):
                order.append(self.number)

        alive = [Forked(number) for number in range(3)]
        assert forked(lambda: order) == "[0, 1, 2]"
        del alive[1]
        assert forked(lambda: order) == "[0, 2]"

    def test_keeps_nothing_of_freed_objects(self, monkeypatch):
        registered = []
        monkeypatch.setattr(os, "register_at_fork", lambda **hooks: registered.append(hooks))
        before = len(background._forked)
        for _ in range(100):
            Periodic("test-periodic", 60, lambda: None)
        gc.collect()
        assert len(background._forked) <= before
        assert registered == []

    @pytest.mark.faulty
    def test_calls_the_others_if_one_raises(self):
        order = []

        class Forked:
            def __init__(self, raises):
                self.raises = raises
                in_forked_child(self.after_fork)

            def after_fork(self):
                order.append(self.raises)
                if self.raises:
                    raise RuntimeError

        alive = [Forked(True), Forked(False)]
        assert forked(lambda: order) == "[True, False]"
        assert len(alive) == 2

    def test_begins_nothing_that_was_not_begun_or_was_stopped(self, periodic):
        calls = []
        periodic(lambda: calls.append(1))
        stopped = periodic(lambda: calls.append(2))
        stopped.start()
        until(lambda: calls == [2])
        stopped.stop()

        def child():
            time.sleep(0.05)
            return calls

        assert forked(child) == "[2]"


class TestSideBySide:
    def test_runs_all_at_once(self):
        together = threading.Barrier(5, timeout=30)
        assert side_by_side(30, [together.wait] * 5) is True
        assert not together.broken

    def test_waits_no_longer_than_it_is_told(self):
        release = threading.Event()
        before = time.monotonic()
        assert side_by_side(0.1, [lambda: release.wait(30)] * 3) is False
        assert time.monotonic() - before < 10
        release.set()

    @pytest.mark.faulty
    def test_makes_each_call_whatever_the_others_raise(self):
        calls = []

        def broken():
            raise RuntimeError

        assert side_by_side(30, [broken, lambda: calls.append(1), broken]) is True
        assert calls == [1]

    def test_run_on_the_calling_thread_if_no_thread_can_be_started(self, no_threads):
        calls = []
        assert side_by_side(30, [lambda: calls.append(1), lambda: calls.append(2)]) is True
        assert calls == [1, 2]

    def test_run_on_the_calling_thread_for_threads_that_cannot_be_started(self, monkeypatch):
        made, start, left = [], threading.Thread.start, iter([True, False, False])
        monkeypatch.setattr(threading.Thread, "start", lambda thread: start(thread) if next(left) else refused(thread))
        assert side_by_side(30, [lambda: made.append(threading.current_thread())] * 3) is True
        assert made.count(threading.current_thread()) == 2

    @pytest.mark.faulty
    def test_are_guarded_if_no_thread_can_be_started(self, no_threads):
        calls = []
        assert side_by_side(30, [lambda: 1 / 0, lambda: calls.append(1)]) is True
        assert calls == [1]

    def test_share_the_time_if_no_thread_can_be_started(self, no_threads):
        shares = []
        assert side_by_side(30, [lambda: shares.append(left(60))] * 3) is True
        assert shares == pytest.approx([10, 15, 30], abs=2)

    def test_run_late_rather_than_never_if_no_thread_can_be_started(self, no_threads):
        shares = []
        assert side_by_side(0.1, [lambda: time.sleep(0.2), lambda: shares.append(left(60))]) is False
        assert shares == [0]

    def test_of_nothing_is_done(self):
        assert side_by_side(1, []) is True
