"""Delays that the other side requests are understood as RFC 9110 says, and bounded whatever it says."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.internals import MAX_DELAY_SECONDS, bounded_delay, export_delay, requested_delay

NOW = 1_800_000_000.0
# What a response may say, and the seconds that this means.
DELAYS = [
    ("0", 0.0),
    ("7", 7.0),
    (" 7 ", 7.0),
    ("1.5", 1.5),
    ("3600", MAX_DELAY_SECONDS),
    ("9" * 400, MAX_DELAY_SECONDS),
    ("9" * 60_000, MAX_DELAY_SECONDS),
    ("0" * 30, MAX_DELAY_SECONDS),
    ("", None),
    ("-5", None),
    ("+5", None),
    ("1e9", None),
    ("0x10", None),
    ("1_000", None),
    ("inf", None),
    ("nan", None),
    ("Infinity", None),
    ("soon", None),
    ("٣", None),
    ("５", None),
    ("²", None),
    ("5, 7", None),
    ("\x00", None),
    (formatdate(NOW + 20, usegmt=True), 20.0),
    (formatdate(NOW + 20, usegmt=True).replace("GMT", "+0000"), 20.0),
    ("Friday, 15-Jan-27 08:00:20 GMT", 20.0),
    ("Fri Jan 15 08:00:20 2027", 20.0),
    (formatdate(NOW - 20, usegmt=True), 0.0),
    ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_DELAY_SECONDS),
    ("Fri, 31 Dec 9999 23:59:59 -9999", None),
    ("Fri, 99 Dec 2026 99:99:99 GMT", None),
    ("Fri, 15 Jan 2027 08:00:20 " + "GMT" * 100, None),
]


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.mark.parametrize(("value", "seconds"), DELAYS, ids=lambda value: repr(value)[:40])
def test_a_requested_delay(value, seconds):
    assert requested_delay([value]) == seconds


@pytest.mark.parametrize(
    ("values", "seconds"), [([], None), (["5", "7"], 7.0), (["soon", "7"], 7.0), (["7", "9" * 400], MAX_DELAY_SECONDS)]
)
def test_the_longest_valid_one_of_several_counts(values, seconds):
    assert requested_delay(values) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [A-Z+-]\w*", fullmatch=True))
def test_any_text_is_a_bounded_delay_or_none(value):
    delay = requested_delay([value])
    assert delay is None or 0 <= delay <= MAX_DELAY_SECONDS


@given(st.floats())
def test_any_number_is_bounded(seconds):
    assert 0 <= bounded_delay(seconds) <= MAX_DELAY_SECONDS


@given(st.floats(0, MAX_DELAY_SECONDS), st.none() | st.floats(0, 100))
def test_an_exporter_retries_within_its_timeout(requested, timeout):
    delay = export_delay(requested, timeout)
    assert 0 <= delay <= 5
    assert timeout is None or delay <= timeout
