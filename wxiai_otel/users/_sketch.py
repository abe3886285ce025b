"""Counting distinct users in fixed memory: linear counting over bitmaps.

A user is a bit, by a hash of the id. How many there are is read from the bits that are still zero (Whang and others, A
Linear-Time Probabilistic Counting Algorithm, 1990). With 2**21 bits a million users are counted within 0.1 %, and a few
are counted exactly; and bitmaps can be united, so that what two days have in common is known as well.
"""

import math
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

BITS = 2**21
BYTES = BITS // 8

_SET = re.compile(rb"[^\x00]+")


def position(user_id: object) -> int:
    """The bit of a user. Of an id only its text counts: 7 and "7" are the same user."""
    digest = blake2b(str(user_id).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BITS


def estimate(ones: int) -> int:
    """How many distinct users have set so many bits."""
    # Where no bit is zero the most that can be said is what one zero would say.
    return round(-BITS * math.log(max(1, BITS - ones) / BITS))


def common(one: int, other: int, united: int) -> int:
    """How many users two bitmaps have in common.

    Parameters:
        one: The bits set in the one.
        other: The bits set in the other.
        united: The bits set in both together.
    """
    found = estimate(one) + estimate(other) - estimate(united)
    return min(max(0, found), estimate(one), estimate(other))


class Bitmap:
    """A bitmap of this process. Bits are in the order of Redis' SETBIT: the first is the highest of its byte."""

    __slots__ = ("_bytes", "ones")

    def __init__(self) -> None:
        self._bytes = bytearray(BYTES)
        self.ones = 0

    def __bytes__(self) -> bytes:
        return bytes(self._bytes)

    def __iter__(self) -> Iterator[int]:
        """The bits that are set."""
        for run in _SET.finditer(self._bytes):
            for index in range(*run.span()):
                for bit in range(8):
                    if self._bytes[index] & (0x80 >> bit):
                        yield 8 * index + bit

    def add(self, bit: int) -> bool:
        """Set a bit; whether it was not set before."""
        index, mask = bit >> 3, 0x80 >> (bit & 7)
        if self._bytes[index] & mask:
            return False
        self._bytes[index] |= mask
        self.ones += 1
        return True

    def update(self, other: "Bitmap") -> None:
        """Set all bits that are set in another one."""
        united = int.from_bytes(self._bytes, "big") | int.from_bytes(bytes(other), "big")
        self._bytes[:] = united.to_bytes(BYTES, "big")
        self.ones = united.bit_count()


def united(bitmaps: Iterable[Bitmap]) -> int:
    """How many bits are set in any of some bitmaps."""
    bits = 0
    for bitmap in bitmaps:
        bits |= int.from_bytes(bytes(bitmap), "big")
    return bits.bit_count()
