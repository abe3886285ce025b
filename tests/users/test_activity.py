"""The users seen by one process, by a clock that the test sets."""

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from tests.users.conftest import Figures
from wxiai_otel.users import Activity

DAY = 86_400


@pytest.fixture
def activity(clock) -> Activity:
    return Activity("Asia/Shanghai", None, keep=300)


def test_before_anybody_was_seen_there_is_nobody(activity, clock):
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily, figures.monthly, figures.retention) == (0, 0, 0, {})


def test_users_are_counted_once_however_often_they_are_seen(activity, clock):
    for _ in range(3):
        for user in range(50):
            activity.saw(str(user))
            activity.record(user)
        clock.advance(11)
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily, figures.monthly) == (50, 50, 50)


def test_whoever_has_not_been_seen_for_five_minutes_is_active_no_more(activity, clock):
    activity.saw("early")
    clock.advance(200)
    activity.saw("late")
    assert Figures(activity, clock).active == 2
    clock.advance(110)
    assert Figures(activity, clock).active == 1
    clock.advance(200)
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily) == (0, 2)


def test_a_scrape_shows_whoever_was_seen_just_now(activity, clock):
    activity.saw("now")
    assert dict(activity.observed()["daily_active_users"]()) == {(): 1}


def test_a_day_begins_at_midnight_of_the_time_zone(activity, clock):
    clock.set("2026-03-15T23:59:50+08:00")
    activity.saw("before")
    assert Figures(activity, clock).daily == 1
    clock.set("2026-03-16T00:00:10+08:00")
    assert Figures(activity, clock).daily == 0
    activity.saw("after")
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily, figures.monthly) == (2, 1, 2)
    assert figures.retention == {"1d": 0}


def test_a_month_begins_with_its_first_day(activity, clock):
    clock.set("2026-03-31T23:59:50+08:00")
    activity.saw("before")
    clock.set("2026-04-01T00:00:10+08:00")
    activity.saw("after")
    assert Figures(activity, clock).monthly == 1


def test_retention_is_the_share_of_a_day_that_is_back_today(activity, clock):
    for days, users in ((1, range(10)), (7, range(20)), (30, range(4)), (0, range(5))):
        for user in users:
            activity.record(user, clock.now - days * DAY)
    assert Figures(activity, clock).retention == {"1d": 0.5, "7d": 0.25, "30d": 1.0}


def test_a_day_with_nobody_has_no_retention(activity, clock):
    activity.record(1, clock.now - 7 * DAY)
    assert Figures(activity, clock).retention == {"7d": 0}


def test_days_go_by_and_become_the_days_of_retention(activity, clock):
    for day in range(40):
        for user in range(day, day + 10):
            activity.saw(str(user))
        figures = Figures(activity, clock)
        assert figures.daily == 10
        assert figures.retention.get("1d", 0.9) == 0.9
        assert figures.retention.get("7d", 0.3) == 0.3
        assert ("30d" in figures.retention) == (day >= 30)
        clock.advance(DAY)
    assert len(activity._memory.marks()) <= 64


@pytest.mark.parametrize(
    "at",
    [
        "yesterday",
        True,
        float("nan"),
        float("inf"),
        -1,
        10**400,
        datetime(2026, 3, 15),  # noqa: DTZ001 - that is the point
        datetime(2027, 3, 15, tzinfo=UTC),
        1_773_547_203_000,
    ],
)
def test_what_is_no_time_or_is_to_come_is_refused(activity, clock, at):
    with pytest.raises(ValueError, match="allowed"):
        activity.record(1, at)
    assert Figures(activity, clock).daily == 0


def test_a_clock_that_is_a_little_ahead_is_now(activity, clock):
    activity.record(1, clock.now + 30)
    activity.record(2, datetime.fromtimestamp(clock.now, UTC) - timedelta(hours=1))
    figures = Figures(activity, clock)
    assert (figures.active, figures.daily) == (1, 2)


def test_what_is_too_old_is_not_counted(activity, clock):
    activity.record(1, clock.now - 31 * DAY)
    activity.record(1, 0)
    figures = Figures(activity, clock)
    assert (figures.daily, figures.monthly, figures.retention) == (0, 0, {})


@pytest.mark.long
def test_memory_is_bounded_however_many_users_there_are_on_every_day(activity, clock):
    tracemalloc.start()
    try:
        for days in range(31):
            for user in range(200):
                activity.record(user, clock.now - days * DAY)
        Figures(activity, clock)
        for user in range(60_000):
            activity.saw(f"user-{user}")
        Figures(activity, clock)
        assert tracemalloc.get_traced_memory()[0] < 32 * 2**20
        assert len(activity._recent) <= 50_002
    finally:
        tracemalloc.stop()
