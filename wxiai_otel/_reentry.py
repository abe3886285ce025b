"""State that destructors and signal handlers may use at any time. These paths have no other locks.

The garbage collector and signal handlers run application code at any point of a thread: in the middle of a helper, or
while the thread holds a lock of `logging`, of the SDK or of the application. If that code waits for a lock, the thread
may wait for itself. Everything that a helper, a log record or a rendering can reach therefore follows one rule:

    Never wait for a lock. Change state in one step, or pass the change to `Serial`. A change calls only code of this
    package and waits for nothing.

One step is a statement on built-in types without a call, e.g. ``self.count += 1``, or a single call of a method written
in C, e.g. ``dict.setdefault``. CPython switches threads and runs signal handlers only between such steps.

Long work that one thread does at a time, e.g. a scrape, uses `Serial.held`: threads wait for each other for a bounded
time, and a thread never waits for itself. `Flag` replaces `threading.Event`, whose ``set`` holds a lock.
"""

import _signal  # type: ignore[import-not-found] # the public getsignal takes twenty times as long
import gc
import logging
import os
import queue
import signal
import sys
import threading
import weakref
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, cast
from weakref import WeakSet

import opentelemetry.sdk.version

_PAUSE_SECONDS = 0.001
# Changes that a thread runs at most in one call. The next caller runs the rest.
_MOST_CHANGES = 100


class Serial:
    """A queue that runs changes of one state one after another, without waiting.

    If a change is already running, on this or another thread, a new change is queued, and the thread that runs changes
    runs it next. Each change runs exactly once, at the latest when `held` or `finish` reads the state. A change must
    not raise.
    """

    __slots__ = ("__weakref__", "_holder", "_waiting")

    def __init__(self) -> None:
        # The entry is the claim of the thread that runs changes, in a list that is its own. `dict.setdefault` is one
        # step, so an exception raised by a signal handler leaves no claim behind.
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
        """Run a change, and wait until it has run.

        Parameters:
            change: The change.
            args: Its arguments.
            seconds: How long to wait.

        Returns:
            Whether it has run in time. If this thread interrupts a change, the new one runs after that.
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
        """Run queued changes, then hold the state during the block: further changes and other holders wait.

        Parameters:
            seconds: How long to wait for another thread.

        Yields:
            Whether the state is held. It is not if the time is over, or if this thread interrupts a change or a block.
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
        # Check again after each release: another thread may have queued a change just before it.
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
        """Drop the claims and queued changes of the parent's threads."""
        self._holder.clear()
        self._waiting.clear()


class Flag:
    """A flag that threads can wait for, like `threading.Event`, but whose `set` holds no lock."""

    __slots__ = ("_gate",)

    def __init__(self) -> None:
        self._gate = allocate_lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return not self._gate.locked()

    def set(self) -> None:
        """Set the flag and wake all threads that wait for it."""
        with suppress(RuntimeError):  # already set
            self._gate.release()

    def clear(self) -> None:
        """Reset the flag."""
        self._gate.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, at most `timeout` seconds. Return whether it is set."""
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


# Python code of the standard library that holds a lock, or calls what the application adds to logging.
_LOCKED_CODES = (
    *_codes(logging.Handler.handle, logging.Logger.handle, logging.Logger._log),  # noqa: SLF001 - with its record factory
    *_codes(queue.Queue, queue.PriorityQueue, queue.LifoQueue, ThreadPoolExecutor),
    *_codes(threading.Event, threading.Condition, threading.Semaphore, threading.Barrier),
    *_codes(threading.Thread.start, threading.Thread.join, threading.enumerate, threading.active_count),
    *_codes(weakref.finalize.__call__),
)
# By identity: Python hashes the whole bytecode each time.
_LOCKED = frozenset(map(id, _LOCKED_CODES))
_SIGNALS = tuple(map(int, signal.valid_signals()))
_START_OF_THREAD = threading.Thread._bootstrap_inner.__code__  # type: ignore[attr-defined] # noqa: SLF001
_RUN_BY_IT = ("run", "invoke_excepthook")
_SDK = str(Path(opentelemetry.sdk.version.__file__).parent.parent) + os.sep


def may_log() -> bool:
    """Return whether this thread may write a log record, which may wait for locks of the application.

    It may not while it interrupts a log handler, a queue or an event; nor while it interrupts the application, whose
    handlers may need a lock that the interrupted code holds.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no public way that is as fast
    inner = None
    interrupting = _interrupting()
    while frame is not None:
        code = frame.f_code
        if (number := id(code)) in _LOCKED or number in interrupting or code.co_name == "__del__":
            return False
        # A thread that has just been started holds a lock until it runs its function.
        if code is _START_OF_THREAD and (inner is None or inner.co_name not in _RUN_BY_IT):
            return False
        inner, frame = code, frame.f_back
    return True


def may_use_sdk() -> bool:
    """Return whether this thread may use the SDK's spans and metrics. It must not while it interrupts the SDK."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as above
    while frame is not None:
        if frame.f_code.co_filename.startswith(_SDK):
            return False
        frame = frame.f_back
    return True


def _interrupting() -> set[int]:
    """The code of the functions that the interpreter calls between any two instructions of this thread, by identity."""
    functions: list[Any] = [*gc.callbacks, sys.getprofile(), sys.gettrace(), sys.unraisablehook]
    if get_ident() == threading.main_thread().ident:
        # A number is the default, or to ignore the signal.
        functions += (handler for handler in map(_signal.getsignal, _SIGNALS) if type(handler) is not int)
    return {id(code) for function in functions if (code := _code_of(function)) is not None}


def _code_of(function: object) -> CodeType | None:
    """The code that a call runs. No attribute is looked up on what the application has made: that may run its code."""
    kind = type(function)
    while kind is partial or kind is MethodType:
        function = cast("Any", function).func if kind is partial else cast("MethodType", function).__func__
        kind = type(function)
    if kind is not FunctionType:
        function = next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)
    return function.__code__ if isinstance(function, FunctionType) else None
