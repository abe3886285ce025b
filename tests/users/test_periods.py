"""Days and months begin where the time zone says; the last five minutes are counted by ten seconds."""

from datetime import UTC, datetime

import pytest

from tests.users.internals import Calendar

SHANGHAI, NEW_YORK = Calendar("Asia/Shanghai"), Calendar("America/New_York")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("calendar", "moment", "day", "month"),
    [
        (SHANGHAI, "2026-03-31T15:59:59+00:00", "day:2026-03-31", "month:2026-03"),
        (SHANGHAI, "2026-03-31T16:00:00+00:00", "day:2026-04-01", "month:2026-04"),
        (NEW_YORK, "2026-03-31T16:00:00+00:00", "day:2026-03-31", "month:2026-03"),
        (NEW_YORK, "2027-01-01T04:59:59+00:00", "day:2026-12-31", "month:2026-12"),
        (NEW_YORK, "2027-01-01T05:00:00+00:00", "day:2027-01-01", "month:2027-01"),
    ],
)
def test_a_moment_is_of_the_day_and_month_of_the_time_zone(calendar, moment, day, month):
    assert calendar.wanted(at(moment)).lasting == (day, month)
    assert calendar.names(at(moment), at(moment))[:2] == (day, month)


def test_the_days_of_retention_are_calendar_days_also_where_one_has_23_hours():
    assert NEW_YORK.wanted(at("2026-03-09T00:30:00-04:00")).before == {
        "1d": "day:2026-03-08",
        "7d": "day:2026-03-02",
        "30d": "day:2026-02-07",
    }


def test_what_was_in_the_month_before_is_of_its_day_only():
    now = at("2026-04-01T09:00:00+08:00")
    assert SHANGHAI.names(at("2026-03-31T23:00:00+08:00"), now) == ("day:2026-03-31",)


def test_the_first_of_the_month_still_counts_for_it_on_the_31st():
    now = at("2026-03-31T23:59:59+08:00")
    assert SHANGHAI.names(at("2026-03-01T00:00:00+08:00"), now) == ("day:2026-03-01", "month:2026-03")


def test_what_is_more_than_thirty_days_ago_has_no_name():
    now = at("2026-03-31T12:00:00+08:00")
    assert SHANGHAI.names(at("2026-02-28T23:59:59+08:00"), now) == ()


@pytest.mark.parametrize(("seconds", "is_active"), [(0, True), (289, True), (300, False), (3_600, False)])
def test_whoever_was_seen_within_five_minutes_is_active(seconds, is_active):
    now = datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp() + 3
    active = set(SHANGHAI.wanted(now).active)
    assert len(active) == 30
    assert bool(active & set(SHANGHAI.names(now - seconds, now))) == is_active


def test_a_day_is_of_use_until_it_is_thirty_days_ago():
    wanted = SHANGHAI.wanted(at("2026-03-31T12:00:00+08:00"))
    assert wanted.is_of_use("day:2026-03-10")
    assert wanted.is_of_use("day:2026-03-01")
    assert not wanted.is_of_use("day:2026-02-28")
    assert not wanted.is_of_use("month:2026-02")
    assert not wanted.is_of_use("active:1")
