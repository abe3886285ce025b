"""Counting by key over a while, in bounded memory however many keys there are."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Something for each of the keys seen last: at least `most`, at most twice as many.

    Keys are kept in two generations. One that is seen again is carried over to the newer; the older is dropped as a
    whole when the newer is full. So a flood of keys seen once does not push out one that is seen all the time.

    Parameters:
        make: Makes what a new key begins with.
        most: How many keys a generation holds.
        missed: Whether what belonged to a key was still of use when it was dropped.

    Attributes:
        forgotten: How many keys were dropped whose things were of use.
    """

    __slots__ = ("_make", "_missed", "_most", "_newer", "_older", "forgotten")

    def __init__(self, make: Callable[[], T], most: int, missed: Callable[[T], bool]) -> None:
        self._make = make
        self._most = most
        self._missed = missed
        self.forgotten = 0
        self._newer: dict[Hashable, T] = {}
        self._older: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def of(self, key: Hashable) -> T:
        """What belongs to a key."""
        found = self._newer.get(key)
        if found is not None:
            return found
        kept = self._older.pop(key, None)
        found = kept if kept is not None else self._make()
        if len(self._newer) >= self._most:
            self.forgotten += sum(map(self._missed, self._older.values()))
            self._newer, self._older = {}, self._newer
        self._newer[key] = found
        return found
