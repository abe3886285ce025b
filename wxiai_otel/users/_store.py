"""Where users are marked: in this process, or in Redis for all workers and hosts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from ._periods import KEEP, Wanted, kind
from ._sketch import Bitmap, common, estimate, united

Marks = Mapping[str, Bitmap]
Command = tuple[str | bytes | int, ...]

# Fewer bits than these are sent one by one, more as a whole bitmap.
_SPARSE = 4_000
_BITS_PER_COMMAND = 500
_SCRATCH_SECONDS = 60
# Of more keys than these BITOP goes byte by byte.
_FAST_KEYS = 16


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the users. Retention has no period whose day had nobody."""

    active: int
    daily: int
    monthly: int
    retention: Mapping[str, float]


class UserStore(Protocol):
    """Keeps marks by the names of periods. It may block, and raise where it does not answer."""

    def exchange(self, marks: Marks, wanted: Wanted | None) -> Figures | None:
        """Keep the marks, and give the figures where some are wanted."""


class MemoryUserStore:
    """Of one process. It keeps at most what is wanted: 64 bitmaps."""

    def __init__(self) -> None:
        self._bitmaps: dict[str, Bitmap] = {}

    def exchange(self, marks: Marks, wanted: Wanted | None) -> Figures | None:
        """See `UserStore.exchange`."""
        for name, bitmap in marks.items():
            kept = self._bitmaps.setdefault(name, bitmap)
            if kept is not bitmap:
                kept.update(bitmap)
        if wanted is None:
            return None
        self._forget(wanted)
        none = Bitmap()
        today, month = (self._bitmaps.get(name, none) for name in (wanted.today, wanted.month))
        before = {
            period: (day.ones, united((day, today)))
            for period, name in wanted.before.items()
            if (day := self._bitmaps.get(name)) is not None
        }
        active = united(self._bitmaps[name] for name in wanted.active if name in self._bitmaps)
        return figures(active, today.ones, month.ones, before)

    def marks(self) -> Marks:
        """All that is kept."""
        return dict(self._bitmaps)

    def _forget(self, wanted: Wanted) -> None:
        for name in list(self._bitmaps):
            if not wanted.is_of_use(name):
                del self._bitmaps[name]


class RedisUserStore:
    """Of all workers, in one round trip for each exchange. A bitmap takes 256 KiB, all together 16 MiB.

    Parameters:
        state: The Redis, with ``client(group)`` and ``key(group, name)``.
    """

    def __init__(self, state: Any) -> None:
        self._state = state

    def exchange(self, marks: Marks, wanted: Wanted | None) -> Figures | None:
        """See `UserStore.exchange`."""
        commands = [command for name, bitmap in marks.items() for command in self._mark(name, bitmap)]
        marking = len(commands)
        if wanted is not None:
            commands += self._ask(wanted)
        if not commands:
            return None
        # As one: another worker's scratch is not ours.
        replies = self._state.client(_GROUP).send_all(commands, transaction=True)
        if wanted is None:
            return None
        *answers, _deleted = replies[marking:]
        first = len(answers) - 3 * len(wanted.before)
        today, month, *_, active = answers[:first]
        before = {
            period: (answers[at], answers[at + 2]) for period, at in zip(wanted.before, count(first, 3), strict=False)
        }
        return figures(active, today, month, before)

    def _mark(self, name: str, bitmap: Bitmap) -> Iterator[Command]:
        key = self._key(name)
        if bitmap.ones < _SPARSE:
            bits = list(bitmap)
            for start in range(0, len(bits), _BITS_PER_COMMAND):
                words = [word for bit in bits[start : start + _BITS_PER_COMMAND] for word in ("SET", "u1", bit, 1)]
                yield ("BITFIELD", key, *words)
        else:
            scratch = self._key(f"scratch:{name}")
            yield ("SET", scratch, bytes(bitmap), "EX", _SCRATCH_SECONDS)
            yield ("BITOP", "OR", key, key, scratch)
            yield ("DEL", scratch)
        yield ("EXPIRE", key, KEEP[kind(name)])

    def _ask(self, wanted: Wanted) -> Iterator[Command]:
        today = self._key(wanted.today)
        scratch = self._key("scratch")
        yield ("BITCOUNT", today)
        yield ("BITCOUNT", self._key(wanted.month))
        active = [self._key(name) for name in wanted.active]
        yield ("BITOP", "OR", scratch, *active[:_FAST_KEYS])
        for start in range(_FAST_KEYS, len(active), _FAST_KEYS - 1):
            yield ("BITOP", "OR", scratch, scratch, *active[start : start + _FAST_KEYS - 1])
        yield ("BITCOUNT", scratch)
        for name in wanted.before.values():
            yield ("BITCOUNT", self._key(name))
            yield ("BITOP", "OR", scratch, self._key(name), today)
            yield ("BITCOUNT", scratch)
        yield ("DEL", scratch)

    def _key(self, name: str) -> str:
        key: str = self._state.key(_GROUP, name)
        return key


_GROUP = "users"


def figures(active: int, today: int, month: int, before: Mapping[str, tuple[int, int]]) -> Figures:
    """The figures, from the bits that are set.

    Parameters:
        active: In the last five minutes.
        today: Today.
        month: This month.
        before: By period, on the day that long ago; and on that day or today.
    """
    retention = {
        period: common(day, today, day_or_today) / estimate(day)
        for period, (day, day_or_today) in before.items()
        if day
    }
    return Figures(estimate(active), estimate(today), estimate(month), retention)
