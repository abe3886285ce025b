"""Bounded whatever comes, and whoever comes again and again is not forgotten for those who came once."""

import random

import pytest

from wxiai_otel.detection._windows import Recent


class Counter:
    def __init__(self):
        self.count = 0

    def __bool__(self):
        return self.count > 0


def test_a_key_keeps_what_belongs_to_it():
    recent = Recent(Counter, 10, bool)
    recent.of("a").count = 5
    assert recent.of("a").count == 5
    assert recent.of("b").count == 0


@pytest.mark.parametrize("most", [1, 10, 1_000])
def test_there_are_never_more_than_twice_as_many_as_a_generation_holds(most):
    recent = Recent(Counter, most, bool)
    for key in range(5 * most + 3):
        recent.of(key)
        assert len(recent) <= 2 * most


def test_the_keys_seen_last_are_kept():
    recent = Recent(Counter, 100, bool)
    for key in range(1_000):
        recent.of(key).count += 1
    assert all(recent.of(key).count == 1 for key in range(900, 1_000))


def test_one_that_is_seen_all_the_time_is_counted_exactly_amid_a_flood():
    recent, rng, expected = Recent(Counter, 100, bool), random.Random(1), 0
    for key in range(20_000):
        recent.of(key)
        if rng.random() < 0.1:
            recent.of("heavy").count += 1
            expected += 1
    assert recent.of("heavy").count == expected


def test_what_was_still_of_use_when_it_was_dropped_is_counted():
    recent = Recent(Counter, 10, bool)
    for key in range(10):
        recent.of(key).count = key % 2
    for key in range(10, 20):
        recent.of(key)
    assert recent.forgotten == 0
    recent.of(20)
    assert recent.forgotten == 5
