"""Asking the application in the background: in its own event loop, within a time, never twice at once."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from tests.internals import Question, is_own_traffic, note_loop, questions
from tests.until import until


@pytest.fixture(autouse=True)
def no_application(monkeypatch):
    monkeypatch.setattr(questions._Application, "loop", None)


def test_a_function_is_asked_in_a_thread_as_our_own_traffic():
    answer = Question(lambda: (threading.current_thread(), is_own_traffic())).begin(30).result(30)
    assert answer[0] is not threading.current_thread()
    assert answer[1]


def test_what_it_raises_is_the_answer():
    with pytest.raises(ZeroDivisionError):
        Question(lambda: 1 / 0).begin(30).result(30)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_would_end_a_thread_is_an_exception_like_any_other(error):
    def ends():
        raise error

    with pytest.raises(RuntimeError, match=error.__name__):
        Question(ends).begin(30).result(30)


def test_one_that_does_not_answer_is_not_asked_again_until_it_has():
    gate, calls = threading.Event(), []

    def hangs():
        calls.append(1)
        gate.wait()
        return "at last"

    question = Question(hangs)
    threads = set(threading.enumerate())
    first = question.begin(0.1)
    for _ in range(100):
        with pytest.raises(TimeoutError):
            question.begin(0.1).result(1)
    assert len(set(threading.enumerate()) - threads) == 1
    assert len(calls) == 1
    gate.set()
    assert first.result(30) == "at last"
    assert question.begin(30).result(30) == "at last"


def test_one_that_has_answered_can_be_asked_at_once():
    question = Question(lambda: 1)
    assert [question.begin(30).result(30) for _ in range(2_000)] == [1] * 2_000


def test_a_coroutine_is_awaited_also_without_an_application():
    async def seven():
        await asyncio.sleep(0)
        return 7

    assert Question(seven).begin(30).result(30) == 7


async def test_a_coroutine_runs_in_the_applications_loop_as_our_own_traffic():
    async def where():
        return asyncio.get_running_loop(), is_own_traffic()

    note_loop()
    assert not is_own_traffic()
    assert await asyncio.wrap_future(Question(where).begin(30)) == (asyncio.get_running_loop(), True)
    assert not is_own_traffic()


async def test_a_coroutine_that_hangs_is_cancelled_after_the_timeout():
    cancelled = asyncio.Event()

    async def hangs():
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    note_loop()
    with pytest.raises(TimeoutError):
        await asyncio.wrap_future(Question(hangs).begin(0.05))
    assert cancelled.is_set()


def test_a_loop_that_is_blocked_does_not_gather_coroutines():
    async def asks():
        await asyncio.sleep(60)

    async def application():
        note_loop()
        answer = Question(asks).begin(0.1)
        blocks(1.5)
        with pytest.raises(TimeoutError):
            answer.result(0)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1

    blocks = time.sleep
    asyncio.run(application())


def test_an_application_whose_loop_has_ended_is_asked_all_the_same():
    async def application():
        note_loop()

    async def seven():
        return 7

    asyncio.run(application())
    assert until(lambda: Question(seven).begin(30).result(30)) == 7


HANGING = """
import asyncio, threading, time
from tests.internals import Question

async def ask():
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 300)

questions = [Question(ask) for _ in range(2)]
for _ in range(20):
    for question in questions:
        question.begin(0.05)
    time.sleep(0.02)
assert threading.active_count() <= 1 + 2 * len(questions), threading.enumerate()
"""


def test_what_hangs_in_an_executor_delays_no_exit_and_gathers_no_threads():
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=100)
