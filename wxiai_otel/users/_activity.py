"""Which users were active: marked as they are seen, told to the store once a second."""

import logging
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from .._background import Periodic, resume
from .._reentry import Serial
from ..instruments import Observe
from ._periods import BUCKET_SECONDS, Calendar
from ._sketch import Bitmap, position
from ._store import Figures, MemoryUserStore, RedisUserStore, UserStore

logger = logging.getLogger("wxiai_otel")

# A clock of another host may be ahead of ours.
_CLOCK_SKEW_SECONDS = 60.0

_FLUSH_SECONDS = 1.0
_READ_SECONDS = 2.0
_MAX_RECENT = 50_000


class Activity:
    """The users seen by this process, and by all workers where there is a Redis.

    Parameters:
        time_zone: Where days and months begin.
        state: The Redis that all workers share; ``None``: none.
        keep: Seconds for which the last figures are shown while Redis does not answer.
    """

    def __init__(self, time_zone: str, state: Any, keep: float) -> None:
        self._calendar = Calendar(time_zone)
        self._state = state
        self._keep = keep
        self._memory = MemoryUserStore()
        self._redis = None if state is None else RedisUserStore(state)
        self._shared = False
        self._failing = False
        self._figures: Figures | None = None
        self._read_at = 0.0
        self._serial = Serial()
        self._begin_alone()
        self._work = Periodic("wxiai-otel-users", _FLUSH_SECONDS, self._exchange, self._begin_alone)

    def _begin_alone(self) -> None:
        # Only the parent reports the marks from before a fork.
        self._marks: dict[str, Bitmap] = {}
        # Marks to be written to the store.
        self._taken: deque[dict[str, Bitmap]] = deque()
        # Marks of the current day and month that were written to Redis, so that each is written once.
        self._told: dict[str, Bitmap] = {}
        # How many users Redis had of these; bits are only set there, so that fewer means that it was emptied.
        self._found: dict[str, int] = {}
        self._recent: set[object] = set()
        self._bucket = 0

    def start(self) -> None:
        """Begin to tell the store."""
        self._work.start()

    def stop(self, timeout: float) -> None:
        """Tell the store what is marked, and end."""
        self._work.stop()
        self.flush(timeout)

    def flush(self, timeout: float) -> bool:
        """Tell the store what is marked, here and now; whether that was done."""
        return self._work.now(timeout) and not self._failing

    def saw(self, user_id: object) -> None:
        """A request of a user has ended. Costs little where the user was seen a moment ago."""
        now = time.time()
        bucket = int(now // BUCKET_SECONDS)
        if bucket != self._bucket or len(self._recent) > _MAX_RECENT:
            self._bucket = bucket
            self._recent = set()
        elif user_id in self._recent:
            return
        self._recent.add(user_id)
        self._mark(user_id, now, now)

    def record(self, user_id: object, at: datetime | float | None = None) -> None:
        """A user was active at a time.

        Raises:
            ValueError: The time is in the future, not a time, or has no time zone.
        """
        now = time.time()
        self._mark(user_id, now if at is None else _seconds(at, now), now)

    def _mark(self, user_id: object, at: float, now: float) -> None:
        resume()
        bit = position(user_id)
        self._serial.run(self._set, self._calendar.names(at, now), bit)

    def _set(self, names: Iterable[str], bit: int) -> None:
        for name in names:
            told = self._told.get(name)
            if told is None or told.add(bit):
                bitmap = self._marks.get(name)
                if bitmap is None:
                    bitmap = self._marks[name] = Bitmap()
                bitmap.add(bit)

    def _take(self, lasting: Iterable[str]) -> None:
        """Queue the marks for the store and start new ones.

        Parameters:
            lasting: Names of bitmaps whose marks are written to Redis only once.
        """
        marks, self._marks = self._marks, {}
        if lasting:
            self._told = {name: self._told.get(name) or _copy(marks.get(name)) for name in lasting}
        self._taken.append(marks)

    def _exchange(self) -> None:
        now = time.time()
        store = self._store()
        wanted = self._calendar.wanted(now)
        if not self._serial.finish(self._take, () if store is self._memory else wanted.lasting):
            return  # this thread interrupts another mark
        marks: dict[str, Bitmap] = {}
        while self._taken:
            for name, bitmap in self._taken.popleft().items():
                if marks.setdefault(name, bitmap) is not bitmap:
                    marks[name].update(bitmap)
        due = time.monotonic() - self._read_at >= _READ_SECONDS or (bool(marks) and store is self._memory)
        if not marks and not due:
            return
        try:
            found = store.exchange(marks, wanted if due else None)
        except Exception as error:  # noqa: BLE001 - Redis may fail in any way; what is marked is told later
            self._failed(error, marks)
            return
        self._failing = False
        if found is not None:
            self._figures, self._read_at = found, time.monotonic()
            if store is not self._memory:
                self._tell_again(dict(zip(wanted.lasting, (found.daily, found.monthly), strict=True)))

    def _store(self) -> UserStore:
        if self._redis is None or not self._state.is_known:
            return self._memory
        if not self._shared:
            self._shared = True
            self._serial.run(self._merge, self._memory.marks())
            self._memory = MemoryUserStore()
        return self._redis

    def _failed(self, error: Exception, marks: dict[str, Bitmap]) -> None:
        if not self._failing:
            self._failing = True
            logger.warning(
                "cannot write active users to Redis: %s; they are buffered and written later", type(error).__name__
            )
        self._serial.run(self._merge, marks)

    def _merge(self, marks: Any) -> None:
        wanted = self._calendar.wanted(time.time())
        for name, bitmap in marks.items():
            if wanted.is_of_use(name):
                self._marks.setdefault(name, Bitmap()).update(bitmap)

    def _tell_again(self, found: dict[str, int]) -> None:
        """Where Redis has lost users of the current day or month, tell all of ours once more."""
        if any(count < max(self._found.get(name, 0), self._told[name].ones) for name, count in found.items()):
            self._serial.run(self._merge, self._told)
        self._found = found

    def observed(self) -> dict[str, Observe]:
        """What observes each of the instruments, by their names."""
        return {
            "active_users.current": lambda: [((), figures.active) for figures in self._current()],
            "daily_active_users": lambda: [((), figures.daily) for figures in self._current()],
            "monthly_active_users": lambda: [((), figures.monthly) for figures in self._current()],
            "user.retention_rate": lambda: [
                ((period,), share) for figures in self._current() for period, share in figures.retention.items()
            ],
        }

    def _current(self) -> tuple[Figures, ...]:
        """The figures, where there are any that are fresh."""
        if self._marks and (self._redis is None or not self._state.is_known):
            self._work.now(1.0)
        if self._figures is None or time.monotonic() - self._read_at >= self._keep:
            return ()
        return (self._figures,)


def _copy(bitmap: Bitmap | None) -> Bitmap:
    copied = Bitmap()
    if bitmap is not None:
        copied.update(bitmap)
    return copied


def _seconds(at: datetime | float, now: float) -> float:
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError(f"at is {at!r}, which has no time zone; allowed are aware datetimes and seconds")
        at = at.timestamp()
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise ValueError(f"at is {at!r}; allowed are aware datetimes and seconds since the epoch")  # noqa: TRY004 - one kind
    if not 0 <= at <= now + _CLOCK_SKEW_SECONDS:  # nor is NaN
        raise ValueError(f"at is {at!r}, which is in the future or before 1970; allowed is what has been")
    return min(at, now)
