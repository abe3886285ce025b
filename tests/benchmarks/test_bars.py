"""What `scripts/bench --check` says of a run."""

import pytest

from benchmarks.bars import verdicts

BARE = [100.0, 101.0, 100.0, 102.0, 100.0]


def judged(ours, theirs, application="routes-1", bare=BARE, other="upstream"):
    """The verdict on one bar of a run."""
    (verdict,) = verdicts({application: {"bare": bare, "ours-full": ours, other: theirs}}, {})
    return verdict


def over_bare(cost):
    return [value + cost for value in BARE]


@pytest.mark.parametrize(("cost", "met"), [(99, True), (101, False)])
def test_a_bar_is_on_what_is_added_to_bare(cost, met):
    verdict = judged(over_bare(cost), over_bare(400))

    assert verdict.measured == pytest.approx(cost / 400)
    assert verdict.is_met is met


def test_rounds_that_others_have_disturbed_change_no_verdict():
    ours = over_bare(90)
    ours[1] += 500
    ours[3] += 900

    verdict = judged(ours, over_bare(400))

    assert verdict.measured == pytest.approx(90 / 400)
    assert verdict.high > 1


def test_what_was_not_measured_is_not_judged():
    assert verdicts({"routes-1": {"bare": BARE, "ours-full": over_bare(1)}}, {}) == []


def test_many_routes_may_cost_what_few_do_and_bares_own_spread():
    few = {"bare": BARE, "ours-full": over_bare(40)}
    dear = {"bare": BARE, "ours-full": over_bare(43)}
    cheap = {"bare": BARE, "ours-full": over_bare(41)}

    (missed,) = verdicts({"routes-1": few, "routes-600": dear}, {})
    (met,) = verdicts({"routes-1": few, "routes-600": cheap}, {})

    assert not missed.is_met
    assert met.is_met


@pytest.mark.parametrize(("name", "most"), [("import", 1.3), ("scrape", 1.2), ("scrape of 8 workers", 1.0)])
def test_importing_and_scraping_have_bars_of_their_own(name, most):
    (verdict,) = verdicts({}, {name: [most - 0.1, most + 0.1, most + 0.1]})

    assert not verdict.is_met
    assert (verdict.low, verdict.high) == (pytest.approx(most - 0.1), pytest.approx(most + 0.1))
