"""Asking the application something in the background: a callable of its own, with a time limit."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, TypeVar
from weakref import ref

from ._own import own_traffic

T = TypeVar("T")


class NothingToAsk(Exception):
    """There is nobody to ask, as long as the application has not used what would be asked."""


class NotChecked(Exception):
    """A target that only the application can reach, so that it is not queried. The message is the reason."""


class _Application:
    # A weak reference: a loop keeps its tasks and callbacks alive, and with them the application.
    loop: "ref[asyncio.AbstractEventLoop] | None" = None


def in_asyncio() -> bool:
    """Whether the caller runs in an event loop of asyncio's: servers have others, as Hypercorn's worker of trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def note_loop() -> None:
    """The caller runs in the application's event loop, where its coroutines are to be run."""
    if in_asyncio():
        _Application.loop = ref(asyncio.get_running_loop())


class Question:
    """Something that is asked again and again. A callable that does not return is not asked a second time meanwhile.

    Parameters:
        function: Is called in a thread of its own. What it does is telemetry's own traffic. A coroutine that it returns
            is run in the application's event loop, where that is known.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._thread: Thread | None = None
        self._answer: ref[Future[Any]] | None = None

    def begin(self, timeout: float) -> "Future[Any]":
        """Ask.

        Parameters:
            timeout: Seconds after which a coroutine is cancelled.

        Returns:
            The answer to come. A callable that is still busy is a TimeoutError.
        """
        answer: Future[Any] = Future()
        # A thread that has answered may need a moment to end; one of before a fork is not alive.
        pending = self._answer() if self._answer is not None else None
        if self._thread is not None and self._thread.is_alive() and pending is not None and not pending.done():
            answer.set_exception(TimeoutError())
            return answer
        # A weak reference: the result or exception may refer to the application. The thread keeps it alive.
        self._answer = ref(answer)
        self._thread = Thread(target=self._ask, args=(answer, timeout), daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread can be started
            answer.set_exception(error)
        return answer

    def _ask(self, answer: "Future[Any]", timeout: float) -> None:
        try:
            with own_traffic():
                found = self._function()
                answer.set_result(awaited(found, timeout) if inspect.isawaitable(found) else found)
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            answer.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - it would end the thread of whoever has asked
            answer.set_exception(RuntimeError(type(error).__name__))


def awaited(found: Any, timeout: float) -> Any:
    """What an awaitable gives, awaited in the application's event loop where that is known; blocks until then.

    Parameters:
        found: The awaitable.
        timeout: Seconds after which it is cancelled.
    """

    async def wait() -> Any:
        async with asyncio.timeout(timeout):
            return await found

    loop = _Application.loop() if _Application.loop is not None else None
    if loop is None or not loop.is_running():
        return run_apart(wait())
    future = asyncio.run_coroutine_threadsafe(wait(), loop)
    try:
        # A loop that is blocked cancels nothing.
        return future.result(timeout + 1)
    finally:
        future.cancel()


class _DaemonThreads(ThreadPoolExecutor):
    """Starts a daemon thread for each call. The interpreter waits for the threads of any other executor at exit."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[Thread] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """See `Executor.submit`."""
        future: Future[T] = Future()
        thread = Thread(target=_answer, args=(future, lambda: fn(*args, **kwargs)), daemon=True)
        thread.start()
        self._started.append(thread)
        return future

    def join(self) -> None:
        """Wait for the calls. `shutdown` does not: event loops call it in a thread that the interpreter waits for."""
        for thread in self._started:
            thread.join()


def _answer(future: "Future[T]", function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        with own_traffic():
            future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        future.set_exception(error)


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own in this thread: `asyncio.run`, with an executor that delays no exit.

    Event loops resolve host names in their executor, which takes as long as the name server.
    """
    executor = _DaemonThreads()
    try:
        with asyncio.Runner() as runner:
            runner.get_loop().set_default_executor(executor)
            return runner.run(coroutine)
    finally:
        executor.join()
