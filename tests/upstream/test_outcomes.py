"""Outcomes of other projects' tests, and the rules for differences."""

import pytest

from upstream.outcomes import Difference, Expected, Run, confirmed, differing, stale, unknown
from upstream.suites import PATH, SUITES
from upstream.table import expected

_TESTS = """
import pytest

def test_passes(): pass
def test_fails(): assert 0
def test_skips(): pytest.skip()
@pytest.mark.xfail
def test_xfails(): assert 0
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.fixture
def broken_before(): raise OSError
def test_errors_before(broken_before): pass
@pytest.fixture
def broken_after():
    yield
    raise OSError
def test_errors_after(broken_after): pass
@pytest.mark.parametrize("value", [1], ids=["<object at 0x7f0000001234>"])
def test_with_an_address(value): pass
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_each_test_has_the_outcome_of_its_worst_phase(pytester: pytest.Pytester, monkeypatch, processes):
    pytester.makepyfile(test_it=_TESTS, test_broken="import no_such_module")
    written = pytester.path / "outcomes.json"
    monkeypatch.setenv("UPSTREAM_OUTCOMES", str(written))
    monkeypatch.setenv("PYTHONPATH", str(PATH))
    pytester.runpytest_subprocess("-p", "upstream_outcomes", "-n", processes, "--continue-on-collection-errors")

    run = Run.read(written)
    assert run.outcomes == {
        "test_broken.py": "error",
        "test_it.py::test_passes": "passed",
        "test_it.py::test_fails": "failed",
        "test_it.py::test_skips": "skipped",
        "test_it.py::test_xfails": "xfailed",
        "test_it.py::test_xpasses": "xpassed",
        "test_it.py::test_errors_before": "error",
        "test_it.py::test_errors_after": "error",
        "test_it.py::test_with_an_address[<object at 0x>]": "passed",
    }
    assert "assert 0" in run.reasons["test_it.py::test_fails"]


def test_a_test_differs_if_its_outcome_changes_or_only_one_run_has_it():
    without = {"same": "passed", "fails": "passed", "passes": "failed", "gone": "passed"}
    telemetry = {"same": "passed", "fails": "failed", "passes": "passed", "new": "passed"}
    assert differing(without, telemetry) == ["fails", "gone", "new", "passes"]


@pytest.mark.parametrize(
    ("without", "telemetry", "is_confirmed"),
    [
        pytest.param(["passed"] * 3, ["failed"] * 3, True, id="every time"),
        pytest.param(["passed"] * 3, ["failed", "missing", "failed"], True, id="in several ways"),
        pytest.param(["passed"] * 3, ["failed", "passed", "failed"], False, id="not every time"),
        pytest.param(["passed", "failed", "passed"], ["failed"] * 3, False, id="flaky without telemetry"),
        pytest.param(["passed"] * 3, ["passed"] * 3, False, id="not again"),
    ],
)
def test_a_difference_is_confirmed_by_repeated_runs(without, telemetry, is_confirmed):
    plain = [{"test": outcome} for outcome in without]
    observed = [{} if outcome == "missing" else {"test": outcome} for outcome in telemetry]
    assert confirmed("test", plain, observed) is is_confirmed


@pytest.mark.parametrize(
    ("entry", "is_covered"),
    [
        pytest.param(Expected("fastapi", "a.py::one[x]", "why"), True, id="the test"),
        pytest.param(Expected("fastapi", "a.py::*", "why"), True, id="all of its file"),
        pytest.param(Expected("fastapi", "a.py::one[*", "why"), True, id="all of its parameters"),
        pytest.param(Expected("fastapi", "a.py::one[x]", "why", ("export",)), True, id="in this variant"),
        pytest.param(Expected("fastapi", "a.py::one", "why"), False, id="another test"),
        pytest.param(Expected("starlette", "a.py::*", "why"), False, id="another suite"),
        pytest.param(Expected("fastapi", "a.py::*", "why", ("memory",)), False, id="in another variant"),
    ],
)
def test_a_difference_is_expected_if_an_entry_covers_it(entry, is_covered):
    differences = [Difference("fastapi", "export", "a.py::one[x]", "passed", "failed")]
    assert unknown(differences, [entry]) == ([] if is_covered else differences)


@pytest.mark.parametrize(
    ("differing_test", "ran", "is_whole", "is_stale"),
    [
        pytest.param("a.py::one", "a.py::one", False, False, id="it differs"),
        pytest.param(None, "a.py::one", False, True, id="it ran and does not differ"),
        pytest.param(None, "b.py::one", False, False, id="it did not run in the quick part"),
        pytest.param(None, "b.py::one", True, True, id="the whole suite does not have it"),
    ],
)
def test_an_entry_is_stale_if_nothing_differs(differing_test, ran, is_whole, is_stale):
    entry = Expected("fastapi", "a.py::*", "why")
    differences = [Difference("fastapi", "export", differing_test, "passed", "failed")] if differing_test else []
    found = stale(differences, [entry], {("fastapi", "export", ran)}, lambda _: is_whole)
    assert found == ([entry] if is_stale else [])


@pytest.mark.parametrize(
    "entry", ['suite = "fastapi"\ntests = "a.py::*"', 'suite = "fastapi"\ntests = "a"\nreason = "why"\ntest = "b"']
)
def test_an_entry_needs_a_reason_and_known_keys(tmp_path, entry):
    table = tmp_path / "differences.toml"
    table.write_text(f"[[difference]]\n{entry}\n")
    with pytest.raises(ValueError, match="expected suite, tests, reason"):
        expected(table)


def test_every_entry_names_a_suite_that_runs():
    assert {entry.suite for entry in expected()} <= {suite.name for suite in SUITES}
