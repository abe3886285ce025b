"""Counting distinct users: exact for a few, close for a million, whatever the days have in common."""

import random
from uuid import UUID

import pytest

from tests.users.internals import BITS, BYTES, Bitmap, common, estimate, position, united


def of(users) -> Bitmap:
    bitmap = Bitmap()
    for user in users:
        bitmap.add(position(user))
    return bitmap


def share(day, today) -> float:
    one, other = of(day), of(today)
    return common(one.ones, other.ones, united((one, other))) / estimate(one.ones)


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 300])
def test_a_few_are_counted_exactly(count):
    assert estimate(of(range(count)).ones) == count


@pytest.mark.parametrize("count", [1_000, 10_000, 100_000, 1_000_000])
def test_many_are_counted_within_half_a_percent(count):
    assert estimate(of(f"user-{number}" for number in range(count)).ones) == pytest.approx(count, rel=0.005)


def test_more_than_there_are_bits_is_a_number_all_the_same():
    assert estimate(BITS) == estimate(BITS - 1) > 10 * BITS


def test_a_user_who_is_seen_again_is_not_counted_again():
    bitmap = Bitmap()
    assert bitmap.add(position(7))
    assert not bitmap.add(position("7"))
    assert estimate(bitmap.ones) == 1


def test_ids_of_every_kind_have_a_bit():
    identities = (7, "七", UUID(int=7), "\ud800", -1, b"7", ("a", 7))
    assert len({position(identity) for identity in identities}) == len(identities)


@pytest.mark.parametrize("returned", [0.0, 0.02, 0.3, 0.95, 1.0])
@pytest.mark.parametrize(
    ("day", "today"),
    [(10, 10), (100, 1_000), (1_000, 10_000), (10_000, 10_000), (50_000, 20_000)],
)
def test_retention_is_right_within_three_points(day, today, returned):
    assert_right(day, today, returned)


def test_retention_of_few_among_a_million_is_right_within_three_points():
    assert_right(10_000, 1_000_000, 0.3)


def assert_right(day, today, returned):
    back = min(int(day * returned), today)
    seen_today = [*range(back), *range(10_000_000, 10_000_000 + today - back)]
    assert share(range(day), seen_today) == pytest.approx(back / day, abs=0.03)


def test_what_two_days_have_in_common_is_never_more_than_either_nor_negative():
    assert common(5, 3, 5) == 3
    assert common(1_000_000, 1_000_000, 1_999_990) == 0


def test_the_bits_of_a_bitmap_are_those_that_were_set():
    bits = sorted(random.Random(1).sample(range(BITS), 1_000))
    bitmap = Bitmap()
    for bit in (0, BITS - 1, *bits):
        bitmap.add(bit)
    assert list(bitmap) == sorted({0, BITS - 1, *bits})
    assert len(bytes(bitmap)) == BYTES


def test_a_bitmap_updated_by_another_has_the_bits_of_both():
    one, other = of(range(100)), of(range(50, 200))
    one.update(other)
    assert bytes(one) == bytes(of(range(200)))
    assert one.ones == united((of(range(100)), other))
