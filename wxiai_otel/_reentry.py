"""State that destructors and signal handlers may enter at any time. The package has no other locks on these paths.

The garbage collector and signal handlers run application code in a thread that may be anywhere: in the middle of a
helper of this package, or while the thread holds a lock of `logging`, of the SDK or of the application. A thread that
waits for a lock there may wait for itself. Therefore one rule holds for everything that a helper, a log record or a
rendering can reach:

    Never wait for a lock. Change state in one step, or hand the change to `Serial`. While a change runs, it calls only
    code of this package, and waits for nothing.

One step is a statement on built-in types without a call in it, e.g. ``self.count += 1``, or a single call of a method
written in C, e.g. ``dict.setdefault``. CPython switches threads and runs signal handlers only between such steps.

Long work of one thread at a time, e.g. a scrape, uses `Serial.held`: threads wait for each other for a bounded time,
and a thread never waits for itself. `Flag` replaces `threading.Event`, whose ``set`` holds a lock.
"""

import logging
import os
import queue
import sys
import threading
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from types import CodeType, FrameType
from typing import Any
from weakref import WeakSet

import opentelemetry.sdk.version

_PAUSE_SECONDS = 0.001
# Changes of others that a thread runs beside its own. The next one goes on.
_MOST_CHANGES = 100


class Serial:
    """Runs the changes of one state one after another, without waiting.

    A thread that finds another change under way, its own or another thread's, leaves its change to it and goes on. Each
    change runs exactly once, the latest when the state is read by `held` or `finish`. A change must not raise.
    """

    __slots__ = ("__weakref__", "_holder", "_waiting")

    def __init__(self) -> None:
        # The entry is the claim of the one that runs changes: its thread, in a list of its own. `dict.setdefault` is
        # one step, and an exception that a signal handler raises anywhere leaves no claim behind.
        self._holder: dict[None, list[int]] = {}
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        _forked.add(self)

    def run(self, change: Callable[..., object], *args: Any) -> None:
        """Run a change now, or have it run by the thread that runs one at the moment."""
        waiting, holder = self._waiting, self._holder
        if waiting or holder:
            waiting.append((change, args))
            self._run_waiting()
            return
        # The usual case, without the queue.
        me, ran = [get_ident()], False
        try:
            if ran := holder.setdefault(None, me) is me:
                change(*args)
        finally:
            if None in holder and holder[None] is me:
                del holder[None]
        if not ran:
            waiting.append((change, args))
        if waiting:
            self._run_waiting()

    def finish(self, change: Callable[..., object], *args: Any, seconds: float = 1.0) -> bool:
        """Run a change and return only when it has run.

        Returns:
            Whether it has run in time. If this thread interrupts another change, it runs after that.
        """
        ran: list[bool] = []

        def last() -> None:
            change(*args)
            ran.append(True)

        self.run(last)
        until = monotonic() + seconds
        while not ran and not self._interrupted() and monotonic() < until:
            sleep(_PAUSE_SECONDS)
            self._run_waiting()
        return bool(ran)

    def _interrupted(self) -> bool:
        return self._holder.get(None) == [get_ident()]

    @contextmanager
    def held(self, seconds: float) -> Iterator[bool]:
        """Run what waits, and have all further changes, and other threads that hold it, wait during the block.

        Parameters:
            seconds: How long to wait for another thread.

        Yields:
            Whether they wait. They do not if this thread interrupts a change or a block.
        """
        holder, me = self._holder, [get_ident()]
        until = monotonic() + seconds
        try:
            while not (held := holder.setdefault(None, me) is me) and not self._interrupted() and monotonic() < until:
                sleep(_PAUSE_SECONDS)
            for _ in range(len(self._waiting) if held else 0):
                change, args = self._waiting.popleft()
                change(*args)
            yield held
        finally:
            if None in holder and holder[None] is me:
                del holder[None]
            self._run_waiting()

    def _run_waiting(self) -> None:
        waiting, holder, me = self._waiting, self._holder, [get_ident()]
        left = _MOST_CHANGES
        # Again after each release: another thread may have left a change just before it.
        while waiting and left > 0:
            try:
                if holder.setdefault(None, me) is not me:
                    return
                while waiting and left > 0:
                    left -= 1
                    change, args = waiting.popleft()
                    change(*args)
            finally:
                if None in holder and holder[None] is me:
                    del holder[None]

    def after_fork(self) -> None:
        """Forget the parent's threads, and what they have yet to change."""
        self._holder.clear()
        self._waiting.clear()


class Flag:
    """A flag that threads can wait for: `threading.Event` without a lock inside."""

    __slots__ = ("_gate",)

    def __init__(self) -> None:
        self._gate = allocate_lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return not self._gate.locked()

    def set(self) -> None:
        """Set the flag and wake all threads that wait for it."""
        with suppress(RuntimeError):  # it is set already
            self._gate.release()

    def clear(self) -> None:
        """Reset the flag."""
        self._gate.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, at most `timeout` seconds. Return whether it is."""
        limit = -1 if timeout is None else min(max(0.0, timeout), threading.TIMEOUT_MAX)
        if not self._gate.acquire(timeout=limit):
            return False
        self.set()  # for the next thread that waits
        return True


_forked: "WeakSet[Serial]" = WeakSet()


def _after_fork() -> None:
    for one in list(_forked):
        one.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _codes(*owners: Any) -> Iterator[CodeType]:
    functions = chain.from_iterable(vars(owner).values() if isinstance(owner, type) else (owner,) for owner in owners)
    return (function.__code__ for function in functions if hasattr(function, "__code__"))


# Python code of the standard library that holds a lock, or calls a log handler while it does.
_LOCKED = frozenset(
    (
        *_codes(logging.Handler.handle, queue.Queue, queue.PriorityQueue, queue.LifoQueue),
        *_codes(threading.Event, threading.Condition, threading.Semaphore, threading.Barrier),
        *_codes(threading.Thread.start, threading.Thread.join, threading.enumerate, threading.active_count),
    )
)
_START_OF_THREAD = threading.Thread._bootstrap_inner.__code__  # type: ignore[attr-defined] # noqa: SLF001
_RUN_BY_IT = ("run", "invoke_excepthook")
_SDK = str(Path(opentelemetry.sdk.version.__file__).parent.parent) + os.sep


def may_log() -> bool:
    """Return whether this thread may write a log record: not while it interrupts a log handler, a queue or an event."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no public way that is as fast
    inner = None
    while frame is not None:
        code = frame.f_code
        # A thread that has just been started holds a lock until it runs its function.
        if code in _LOCKED or (code is _START_OF_THREAD and (inner is None or inner.co_name not in _RUN_BY_IT)):
            return False
        inner, frame = code, frame.f_back
    return True


def may_use_sdk() -> bool:
    """Return whether this thread may use the SDK's spans and collect its metrics: not while it interrupts the SDK."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as above
    while frame is not None:
        if frame.f_code.co_filename.startswith(_SDK):
            return False
        frame = frame.f_back
    return True
