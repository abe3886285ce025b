"""What the bars of `benchmarks.sharing` say of a run, and that its groups of workers do what it measures."""

import re

import pytest

from benchmarks.sharing import FEW, Groups, Row


@pytest.mark.parametrize(("at_most", "met"), [(3, True), (1.9, False), (None, True)])
def test_a_bar_is_on_the_median(at_most, met):
    assert Row("", [1, 2, 9], "", [], at_most).is_met is met


@pytest.mark.parametrize(("at_most", "met"), [(0.5, True), (0.4, False)])
def test_a_bar_can_be_a_multiple_of_the_others_value_in_the_same_round(at_most, met):
    assert Row("", [1, 2, 3], "", [2, 4, 9], at_most, of_other=True).is_met is met


def series(body):
    """The series of some counters and of a histogram."""
    return set(re.findall(r"^(?:http_request|payment_failures)\w*\{.*\}", body, re.MULTILINE))


@pytest.mark.long
def test_both_modes_answer_with_the_same_series_of_all_workers(tmp_path):
    groups = Groups(tmp_path)
    bodies = {}
    for kind in ("ours", "multiprocess"):
        with groups.group(kind, FEW, (10, 10)) as group:
            group.ask("save")
            bodies[kind] = (tmp_path / "series-10").read_text()

    assert series(bodies["ours"]) == series(bodies["multiprocess"])
    for body in bodies.values():
        assert re.search(
            r'^payment_failures_total\{channel="channel0",error_type="Error1"\} 8(\.0)?$', body, re.MULTILINE
        )
