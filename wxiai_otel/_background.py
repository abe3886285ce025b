"""Work that is done again and again in the background, and in a forked child as well."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from weakref import WeakMethod

from ._deadline import until
from ._guard import fault, guarded
from ._own import own_traffic
from ._reentry import Flag, Serial, may_log
from ._under_test import is_on as is_under_test

logger = logging.getLogger("wxiai_otel")


def in_forked_child(method: Callable[[], None]) -> None:
    """Call a method in every forked child, as long as its object is alive.

    Methods are called in the order of their registration.
    """
    # os.register_at_fork keeps functions forever, so the process registers a single one.
    number = next(_numbers)
    _forked[number] = WeakMethod(method, lambda _: _forked.pop(number, None))


_numbers = count()
_forked: dict[int, WeakMethod[Callable[[], None]]] = {}


def _after_fork() -> None:
    for weak in list(_forked.values()):
        if (method := weak()) is not None:
            guarded("background.fork")(method)()


os.register_at_fork(after_in_child=_after_fork)

# What a forked child does before its first measurement, scrape or health check, and the threads that it starts then.
# Most children call another program or exit, and need none of it.
paused: list[Callable[[], object]] = []
paused_threads: list[Callable[[], object]] = []


def pause(call: Callable[[], object]) -> None:
    """Defer a call to the first measurement in a forked child. It runs once there, also in a fork of a fork."""
    if call not in paused:
        paused.append(call)


def resume() -> None:
    """Run the deferred calls, before the first measurement after a fork.

    Threads stay paused while this thread may not start any: see `may_log`.
    """
    _run_all(paused)
    if paused_threads and may_log():
        _run_all(paused_threads)


def _run_all(calls: list[Callable[[], object]]) -> None:
    while calls:
        with suppress(IndexError):  # another thread was faster
            guarded("background.resume")(calls.pop(0))()


class Periodic:
    """Calls a function every few seconds in a daemon thread of its own. What it asks for is telemetry's own traffic.

    Parameters:
        name: Of the thread, and of the faults.
        interval: Seconds from the end of one call to the next.
        function: What is called; never by two threads at once.
        forked: Is called in a forked child before the thread starts there: what the parent has pending is not its.
    """

    def __init__(
        self, name: str, interval: float, function: Callable[[], None], forked: Callable[[], None] | None = None
    ) -> None:
        self._name = name
        self._interval = interval
        self._function = function
        self._forked = forked
        self._running = self._wanted = False
        self._stopped = Flag()
        self._due = Flag()
        self._turn = Serial()
        in_forked_child(self._after_fork)

    def start(self) -> None:
        """Begin; the first call is made at once. Once begun it goes on until `stop`. Under test, `now` alone calls."""
        self._wanted = True
        if self._running or is_under_test():
            return
        # Set first: a destructor that interrupts the creation of the thread may call `start` too.
        self._running = True
        thread = threading.Thread(target=self._run, args=(self._stopped, self._due), name=self._name, daemon=True)
        self._running = _starts(thread)
        if not self._running:
            logger.warning("Cannot start the thread %s; its work is paused until a thread can be started", self._name)

    def wake(self) -> None:
        """Have the next call made at once."""
        self._due.set()
        if self._wanted:
            self.start()

    def now(self, timeout: float) -> bool:
        """Call the function on this thread, after a call in progress.

        Parameters:
            timeout: Seconds to wait for the call in progress.

        Returns:
            Whether the function was called. It is not if this thread interrupts a call.
        """
        with self._turn.held(timeout) as held:
            if held:
                self._call()
            return held

    def stop(self) -> None:
        """Make no more calls in the background."""
        self._running = self._wanted = False
        self._stopped.set()
        self._due.set()

    def _run(self, stopped: Flag, due: Flag) -> None:
        while not stopped.is_set():
            due.clear()
            self.now(threading.TIMEOUT_MAX)
            due.wait(self._interval)

    def _call(self) -> None:
        try:
            with own_traffic():
                self._function()
        except Exception:  # noqa: BLE001 - the next call may do better
            fault(self._name)

    def _after_fork(self) -> None:
        was_running, self._running = self._running, False
        self._stopped, self._due = Flag(), Flag()
        if self._forked is not None:
            self._forked()
        if was_running:
            paused_threads.append(self._resume)

    def _resume(self) -> None:
        if self._wanted:
            self.start()


def side_by_side(seconds: float, calls: Sequence[Callable[[], object]]) -> bool:
    """Run calls in parallel daemon threads, and wait at most `seconds` for all of them.

    If no thread can be started (at the process's thread limit, and while CPython 3.12.0 to 3.12.2 exits), the remaining
    calls run on this thread, one after the other. Each gets an equal share of the remaining time, see `_deadline.left`.

    Returns:
        Whether all calls returned in time.
    """
    deadline = time.monotonic() + seconds
    guarded_calls = [guarded("background.end")(call) for call in calls]
    threads = [threading.Thread(target=call, daemon=True) for call in guarded_calls]
    refused = [call for call, thread in zip(guarded_calls, threads, strict=True) if not _starts(thread)]
    for number, call in enumerate(refused):
        now = time.monotonic()
        with until(now + max(0.0, deadline - now) / (len(refused) - number)):
            call()
    started = [thread for thread in threads if thread.ident is not None]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in started) and not (refused and time.monotonic() > deadline)


def _starts(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except (RuntimeError, MemoryError):  # thread limit, interpreter exit, or no memory for a stack
        return False
    return True
