"""Work that is done again and again in the background, and in a forked child as well."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from weakref import WeakMethod

from ._guard import fault, guarded
from ._own import own_traffic
from ._reentry import Flag, Serial
from ._under_test import is_on as is_under_test


def in_forked_child(method: Callable[[], None]) -> None:
    """Have a method called in every forked child, as long as its object lives."""
    weak = WeakMethod(method)

    def call() -> None:
        if (alive := weak()) is not None:
            guarded("background.fork")(alive)()

    os.register_at_fork(after_in_child=call)


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
        self._running = False
        self._stopped = Flag()
        self._due = Flag()
        self._turn = Serial()
        in_forked_child(self._after_fork)

    def start(self) -> None:
        """Begin; the first call is made at once. Once begun it goes on until `stop`. Under test, `now` alone calls."""
        if is_under_test() or self._running:
            return
        # Before the thread is made, which a destructor may interrupt that starts it too.
        self._running = True
        thread = threading.Thread(target=self._run, args=(self._stopped, self._due), name=self._name, daemon=True)
        self._running = _starts(thread)

    def wake(self) -> None:
        """Have the next call made at once."""
        self._due.set()

    def now(self, timeout: float) -> bool:
        """Make a call here and now, after the one that is being made.

        Parameters:
            timeout: Seconds to wait for that one.

        Returns:
            Whether the call was made. It is not if this thread interrupts one.
        """
        with self._turn.held(timeout) as held:
            if held:
                self._call()
            return held

    def stop(self) -> None:
        """Make no more calls in the background."""
        self._running = False
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
            self.start()


def side_by_side(seconds: float, calls: Sequence[Callable[[], object]]) -> bool:
    """Make the calls side by side in daemon threads, and wait no longer than `seconds` for all of them.

    Returns:
        Whether all were made and have ended; not so where the process may have no more threads.
    """
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=guarded("background.end")(call), daemon=True) for call in calls]
    started = [thread for thread in threads if _starts(thread)]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return len(started) == len(threads) and not any(thread.is_alive() for thread in started)


def _starts(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:
        fault("background.start")
        return False
    return True
