"""Connection pools: what each can give out, and what is checked out of it."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from sqlalchemy.engine import Engine
from sqlalchemy.pool import AssertionPool, Pool, QueuePool
from sqlalchemy.util.queue import AsyncAdaptedQueue

from .._guard import fault
from ..instruments import Values

_COUNTED = "wxiai_otel.checked_out"


class Pools:
    """The pools of the engines seen, by their label.

    Parameters:
        named: Engines by the label that their pool is to have.
        max_pools: Pools that are labels; any further one is not reported.
    """

    def __init__(self, named: Mapping[str, Engine], max_pools: int) -> None:
        self._max_pools = max_pools
        # No lock, see `_reentry`: a destructor that uses an engine may interrupt the choice of a label.
        self._labels: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()
        self._taken: dict[str, ReferenceType[Engine]] = {}
        self._checked_out: WeakKeyDictionary[Pool, set[int]] = WeakKeyDictionary()
        for label, engine in named.items():
            self._labels[engine] = label
            self._taken[label] = ref(engine)

    @property
    def engines(self) -> list[Engine]:
        """The engines that are alive."""
        return [engine for engine, _ in self._labelled()]

    def _labelled(self) -> list[tuple[Engine, str]]:
        # Another thread may add an engine: `keyrefs` copies the references in one step.
        engines = [engine for weak in self._labels.keyrefs() if (engine := weak()) is not None]
        return [(engine, label) for engine in engines if (label := self._labels.get(engine)) is not None]

    def label(self, engine: Engine) -> str | None:
        """The label of an engine's pool; ``None`` where there are too many."""
        found = self._labels.get(engine)
        if found is None and len(self._labels) < self._max_pools:
            found = self._labels.setdefault(engine, self._unique(engine))
        return found

    def _unique(self, engine: Engine) -> str:
        wanted = label = _described(engine)
        if len(self._taken) > 2 * self._max_pools:
            for taken, weak in list(self._taken.items()):
                if weak() is None:
                    self._taken.pop(taken, None)
        number = 1
        while True:
            # The first engine that takes a label keeps it until it is freed.
            alive = self._taken.setdefault(label, ref(engine))()
            if alive is engine:
                return label
            if alive is None:
                self._taken.pop(label, None)
            else:
                number += 1
                label = f"{wanted}#{number}"

    def observe_size(self) -> Iterator[tuple[Values, float]]:
        """What each pool can give out at most; none for a pool without a limit."""
        for engine, label in self._labelled():
            size = _limit(engine.pool)
            if size is not None:
                yield (label,), size

    def observe_usage(self) -> Iterator[tuple[Values, float]]:
        """The connections checked out of each pool."""
        for engine, label in self._labelled():
            pool = engine.pool
            used = _used(pool) if isinstance(pool, QueuePool) else len(self._checked_out.get(pool, ()))
            yield (label,), used

    def checkout(self, record: Any, proxy: Any) -> None:
        """Count a checkout of a pool that does not count them itself: a listener of SQLAlchemy's pool events."""
        pool = proxy._pool  # noqa: SLF001 - the event does not say which pool
        if isinstance(pool, QueuePool):
            return
        try:
            counted = self._checked_out.setdefault(pool, set())
            # record_info lives as long as the record, also when the connection is invalidated.
            record.record_info[_COUNTED] = counted
            counted.add(id(record))
        except Exception:  # noqa: BLE001 - the connection is given out all the same
            fault("sql.checkout")

    def checkin(self, record: Any) -> None:
        """Undo `checkout`: the connection came back, or was detached from the pool."""
        try:
            counted = record.record_info.pop(_COUNTED, None)
            if counted is not None:
                counted.discard(id(record))
        except Exception:  # noqa: BLE001 - the connection is taken back all the same
            fault("sql.checkin")


def _used(pool: QueuePool) -> int:
    inner: Any = pool._pool  # noqa: SLF001 - the public way would have side effects
    if isinstance(inner, AsyncAdaptedQueue) and "_queue" not in vars(inner):
        # The first use creates the queue. If we and the application created it at once, connections would be lost.
        return 0
    # SQLAlchemy's method: a pool class of the application may override it.
    return QueuePool.checkedout(pool)


def _limit(pool: Pool) -> int | None:
    if isinstance(pool, QueuePool):
        # 0 connections mean no limit, and so does an overflow of -1.
        overflow: int = pool._max_overflow  # noqa: SLF001 - there is no public way to ask
        size = QueuePool.size(pool)
        return size + overflow if size > 0 and overflow >= 0 else None
    return 1 if isinstance(pool, AssertionPool) else None


def _described(engine: Engine) -> str:
    """A label that names dialect and database, and neither host nor user."""
    if name := getattr(engine.pool, "logging_name", None):
        return str(name)
    database = engine.url.database or ""
    if engine.dialect.name == "sqlite":
        database = PurePath(database).name or ":memory:"
    return f"{engine.dialect.name}/{database}" if database else engine.dialect.name
