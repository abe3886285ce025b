"""Variables in queries, as Grafana replaces them for Prometheus."""

import pytest

from dashboards.variables import Window, pattern, replaced

HOUR = Window(1000, 4600, 300)


def test_all_is_a_pattern_that_stays_short():
    assert replaced('up{job=~"$job"}', {"job": []}, HOUR) == 'up{job=~".+"}'


def test_one_value_stands_alone_and_several_are_alternatives():
    assert pattern(["a"]) == "a"
    assert pattern(["a", "b"]) == "(a|b)"


def test_what_has_a_meaning_in_patterns_is_escaped_within_a_string():
    assert replaced('up{instance=~"$instance"}', {"instance": ["10.0.0.1:80"]}, HOUR) == (
        r'up{instance=~"10\\.0\\.0\\.1:80"}'
    )


@pytest.mark.parametrize("written", ["$job", "${job}", "${job:regex}"])
def test_each_way_to_write_a_variable(written):
    assert replaced(written, {"job": ["x"]}, HOUR) == "x"


def test_what_is_no_variable_stays():
    query = 'label_replace(up, "class", "${1}xx", "code", "(.)..")'
    assert replaced(query, {"job": []}, HOUR) == query


@pytest.mark.parametrize(
    ("seconds", "points", "interval", "rate_interval"),
    [
        (900, 300, "5s", "20s"),  # never under four scrapes
        (3600, 300, "12s", "20s"),
        (21_600, 300, "72s", "77s"),  # one scrape more than the step
    ],
)
def test_the_rate_interval_holds_four_scrapes_and_more_than_a_step(seconds, points, interval, rate_interval):
    window = Window(0, seconds, points)
    assert replaced("[$__interval] [$__rate_interval] [$__range]", {}, window) == (
        f"[{interval}] [{rate_interval}] [{seconds}s]"
    )
