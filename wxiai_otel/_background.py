"""Work that is done again and again in the background, and in a forked child as well."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from weakref import WeakMethod

from ._guard import fault, guarded
from ._own import own_traffic
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
        self._renew()
        in_forked_child(self._after_fork)

    def _renew(self) -> None:
        # Another thread of the parent's may have held its locks.
        self._stopped = threading.Event()
        self._due = threading.Event()
        self._turn = threading.Lock()

    def start(self) -> None:
        """Begin; the first call is made at once. Once begun it goes on until `stop`. Under test, `now` alone calls."""
        if not self._running and not is_under_test():
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
            Whether the call was made.
        """
        if not self._turn.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            self._call()
        finally:
            self._turn.release()
        return True

    def stop(self) -> None:
        """Make no more calls in the background."""
        self._running = False
        self._stopped.set()
        self._due.set()

    def _run(self, stopped: threading.Event, due: threading.Event) -> None:
        while not stopped.is_set():
            due.clear()
            with self._turn:
                self._call()
            due.wait(self._interval)

    def _call(self) -> None:
        try:
            with own_traffic():
                self._function()
        except Exception:  # noqa: BLE001 - the next call may do better
            fault(self._name)

    def _after_fork(self) -> None:
        was_running, self._running = self._running, False
        self._renew()
        if self._forked is not None:
            self._forked()
        if was_running:
            self.start()


def side_by_side(seconds: float, calls: Sequence[Callable[[], object]]) -> bool:
    """Make the calls side by side in daemon threads, and wait at most `seconds` for all of them.

    Calls for which no thread can be started run here, one after the other, as long as there is time: at the process's
    thread limit, and while Python 3.12.0 to 3.12.2 exit.

    Returns:
        Whether all calls have ended in time.
    """
    deadline = time.monotonic() + seconds
    threads: list[threading.Thread] = []
    rest: list[Callable[[], object]] = []
    for call in map(guarded("background.end"), calls):
        thread = threading.Thread(target=call, daemon=True)
        try:
            thread.start()
            threads.append(thread)
        except RuntimeError:
            rest.append(call)
    while rest and time.monotonic() < deadline:
        rest.pop(0)()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not rest and not any(thread.is_alive() for thread in threads)


def _starts(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:
        fault("background.start")
        return False
    return True
