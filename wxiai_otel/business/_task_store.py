"""Who has ended a task first, and which are still open: in Redis for all workers, in memory for one process."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

MAX_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that a task has ended.

    Parameters:
        task_id: The task.
        token: Its token, by which it is open.
        owner: Different for every claim, so that one that is made twice is still one.
    """

    task_id: str
    token: str
    owner: str


class TaskStore(Protocol):
    """Open tasks and claims. Its methods may block, and raise where the store does not answer."""

    def open(self, tasks: Sequence[tuple[str, str, float]]) -> None:
        """Tasks have begun: (id, token, when they count as never ended, in seconds since the epoch)."""

    def claim(self, claims: Sequence[Claim], *, keep: float) -> list[bool]:
        """Whether each claim is the first of its task. Claims are remembered for `keep` seconds."""

    def overdue(self, limit: int) -> list[str]:
        """Tokens of open tasks that should have ended by now."""

    def close(self, tokens: Sequence[str]) -> None:
        """Tasks are open no more."""


class MemoryTaskStore:
    """Of one process. What it remembers is bounded; the oldest is forgotten."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()  # by token: (id, deadline)
        self._ended: OrderedDict[str, Claim] = OrderedDict()

    def open(self, tasks: Sequence[tuple[str, str, float]]) -> None:
        """See `TaskStore.open`."""
        for task_id, token, deadline in tasks:
            if task_id not in self._ended:
                self._open[token] = (task_id, deadline)
        while len(self._open) > MAX_REMEMBERED:
            self._open.popitem(last=False)

    def claim(self, claims: Sequence[Claim], *, keep: float) -> list[bool]:  # noqa: ARG002 - bounded by number here
        """See `TaskStore.claim`."""
        first = []
        for claim in claims:
            self._open.pop(claim.token, None)
            first.append(claim.task_id not in self._ended)
            self._ended.setdefault(claim.task_id, claim)
        while len(self._ended) > MAX_REMEMBERED:
            self._ended.popitem(last=False)
        return first

    def overdue(self, limit: int) -> list[str]:
        """See `TaskStore.overdue`."""
        now = time.time()
        found: list[str] = []
        # Tasks of one process begin in the order of their deadlines.
        for token, (_, deadline) in self._open.items():
            if deadline > now or len(found) >= limit:
                break
            found.append(token)
        return found

    def close(self, tokens: Sequence[str]) -> None:
        """See `TaskStore.close`."""
        for token in tokens:
            self._open.pop(token, None)

    def all_open(self) -> list[tuple[str, str, float]]:
        """What `open` was told of tasks that have not ended."""
        return [(task_id, token, deadline) for token, (task_id, deadline) in self._open.items()]

    def all_claimed(self) -> list[Claim]:
        """The claims that were the first of their tasks."""
        return list(self._ended.values())


class RedisTaskStore:
    """Of all workers.

    A claim is a key of its own that only the first can set. One that was sent and not answered can be sent again: what
    stands in the key says whose it is.

    Parameters:
        state: The Redis, with ``client(group)`` and ``key(group, name)``.
        secret: Of the tokens: processes with another one cannot read them.
    """

    def __init__(self, state: Any, secret: str) -> None:
        self._state = state
        self._group = f"tasks-{sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        self._open_key: str = state.key(self._group, "open")

    def open(self, tasks: Sequence[tuple[str, str, float]]) -> None:
        """See `TaskStore.open`."""
        if tasks:
            words = [word for _, token, deadline in tasks for word in (deadline, token)]
            self._state.client(self._group).send("ZADD", self._open_key, *words)

    def claim(self, claims: Sequence[Claim], *, keep: float) -> list[bool]:
        """See `TaskStore.claim`."""
        commands: list[tuple[str | int, ...]] = []
        for claim in claims:
            key = self._state.key(self._group, claim.task_id)
            commands += (
                ("SET", key, claim.owner, "NX", "EX", int(keep) + 1),
                ("GET", key),
                ("ZREM", self._open_key, claim.token),
            )
        owners = self._state.client(self._group).send_all(commands)[1::3]
        return [owner == claim.owner.encode() for owner, claim in zip(owners, claims, strict=True)]

    def overdue(self, limit: int) -> list[str]:
        """See `TaskStore.overdue`."""
        words = ("ZRANGEBYSCORE", self._open_key, "-inf", time.time(), "LIMIT", 0, limit)
        return [token.decode() for token in self._state.client(self._group).send(*words)]

    def close(self, tokens: Sequence[str]) -> None:
        """See `TaskStore.close`."""
        self._state.client(self._group).send("ZREM", self._open_key, *tokens)
