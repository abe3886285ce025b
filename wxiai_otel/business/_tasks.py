"""AI tasks that end elsewhere: each is claimed once, in the background, and counted by whoever claimed it."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from opentelemetry.context import Context

from .._background import Periodic
from .._guard import guarded
from ..instruments import Values
from ._task_store import Claim, MemoryTaskStore, RedisTaskStore, TaskStore
from ._token import TaskState, TaskTokenError, decode

logger = logging.getLogger("wxiai_otel")

TIMEOUT = "timeout"
MAX_PENDING = 100_000

# A callback that comes later than so many timeouts is of a task that was counted as failed long ago.
LATE_TIMEOUTS = 3

_BATCH = 500
_SWEEP_SECONDS = 15.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class EndedTask:
    """A task whose completion was reported.

    Parameters:
        state: The state in its token.
        token: The token.
        outcome: ``success``, ``failed`` or ``cancelled``.
        error_type: Why it failed; ``None`` if it did not.
        seconds: Seconds from submission to completion.
        context: The context of the report, for exemplars.
    """

    state: TaskState
    token: str
    outcome: str
    error_type: str | None
    seconds: float
    context: Context | None


Count = Callable[[EndedTask], None]


class Tasks:
    """The tasks of this process, and those of all workers where there is a Redis.

    Parameters:
        count_ended: Counts a task that has ended; called once for each.
        state: The Redis that all workers share; ``None``: none.
        secret: Of the tokens.
        timeout: Seconds after which a task counts as failed.
    """

    def __init__(self, count_ended: Count, state: Any, secret: str, timeout: float) -> None:
        self._count = guarded("tasks.count")(count_ended)
        self._state = state
        self._secret = secret
        self._timeout = timeout
        self._keep = (LATE_TIMEOUTS + 1) * timeout
        self._memory = MemoryTaskStore()
        self._redis = None if state is None else RedisTaskStore(state, secret)
        self._shared = False
        self._opened: deque[tuple[str, str, float]] = deque()
        self._ended: deque[Pending] = deque()
        self._begin_alone()
        self._swept = 0.0
        self._failing = False
        self.dropped = 0
        interval = min(_SWEEP_SECONDS, timeout / 4)
        self._work = Periodic("wxiai-otel-tasks", interval, self._settle, self._begin_alone)
        self._sweep_interval = interval

    def _begin_alone(self) -> None:
        # What is pending at a fork is the parent's, and so are the tasks that it has begun.
        self._opened.clear()
        self._ended.clear()
        self._memory = MemoryTaskStore()
        self._process = os.urandom(6).hex()
        self._claims = count()

    def start(self) -> None:
        """Begin to work in the background."""
        self._work.start()

    def opened(self, state: TaskState, token: str) -> None:
        """A task was submitted."""
        if len(self._opened) < MAX_PENDING:
            self._opened.append((state.task_id, token, state.started + self._timeout))
            self._work.wake()

    def ended(self, task: EndedTask) -> None:
        """Somebody says that a task has ended."""
        if task.seconds > LATE_TIMEOUTS * self._timeout:
            return
        if len(self._ended) >= MAX_PENDING:
            self.dropped += 1
            return
        self._ended.append(self._pending(task))
        self._work.wake()

    def flush(self, timeout: float) -> bool:
        """Claim and count what is pending, here and now.

        Parameters:
            timeout: Seconds to go on trying.

        Returns:
            Whether nothing is left.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._work.now(deadline - time.monotonic())
            if not self._ended and not self._opened:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)

    def stop(self, timeout: float) -> None:
        """Settle what is pending, and end."""
        self._work.stop()
        self.flush(timeout)

    def give_up(self) -> None:
        """What could not be claimed is dropped and counted as that: it may be another's."""
        if left := len(self._ended):
            self.dropped += left
            self._ended.clear()
            logger.warning("%d AI task completions could not be claimed in time and are not counted", left)

    def observe_dropped(self) -> Iterator[tuple[Values, float]]:
        """How many ends were dropped."""
        yield (), self.dropped

    def _settle(self) -> None:
        if self._failing:
            time.sleep(_PAUSE_SECONDS)
        try:
            store = self._store()
            self._open(store)
            self._claim_pending(store)
            if time.monotonic() - self._swept >= self._sweep_interval:
                self._sweep(store)
                self._swept = time.monotonic()
            self._failing = False
        except Exception as error:  # noqa: BLE001 - Redis may fail in any way; what is pending is tried again
            if not self._failing:
                self._failing = True
                logger.warning(
                    "AI task completions cannot be settled: %s; they are buffered and retried", type(error).__name__
                )

    def _store(self) -> TaskStore:
        if self._redis is None or not self._state.is_known:
            return self._memory
        if not self._shared:
            for tasks in _batches(self._memory.all_open()):
                self._redis.open(tasks)
            for claims in _batches(self._memory.all_claimed()):
                self._redis.claim(claims, keep=self._keep)
            self._shared = True
        return self._redis

    def _open(self, store: TaskStore) -> None:
        while batch := _head(self._opened):
            store.open(batch)
            for _ in batch:
                self._opened.popleft()

    def _claim_pending(self, store: TaskStore) -> None:
        while batch := _head(self._ended):
            first = store.claim([claim for _, claim in batch], keep=self._keep)
            # Only now: what was not answered is tried again.
            for _ in batch:
                self._ended.popleft()
            for (task, _), is_first in zip(batch, first, strict=True):
                if is_first:
                    self._count(task)

    def _sweep(self, store: TaskStore) -> None:
        while tokens := store.overdue(_BATCH):
            # As any other end: a claim that was not answered is tried again, and is the same one then.
            self._ended.extend(pending for token in tokens if (pending := self._timed_out(token)) is not None)
            self._claim_pending(store)
            store.close(tokens)

    def _timed_out(self, token: str) -> "Pending | None":
        try:
            state = decode(token, self._secret)
        except TaskTokenError:
            return None
        if state is None:
            return None
        return self._pending(EndedTask(state, token, "failed", TIMEOUT, time.time() - state.started, None))

    def _pending(self, task: EndedTask) -> "Pending":
        return task, Claim(task.state.task_id, task.token, f"{self._process}:{next(self._claims)}")


Pending = tuple[EndedTask, Claim]
T = TypeVar("T")


def _head(queue: "deque[T]") -> list[T]:
    """The first items of a queue that other threads append to: an iterator would not bear that."""
    return [queue[index] for index in range(min(_BATCH, len(queue)))]


def _batches(items: list[T]) -> Iterator[list[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
