"""Outcomes of tests, and differences between two runs."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MISSING = "missing"

Outcomes = Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """The results of one run of a suite.

    Attributes:
        outcomes: Outcomes by test id.
        reasons: The end of the traceback of each failed test, by test id.
    """

    outcomes: Outcomes
    reasons: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Read the file that the plugin `upstream_outcomes` wrote."""
        written = json.loads(path.read_text())
        return cls(written["outcomes"], written["reasons"])


@dataclass(frozen=True)
class Difference:
    """A test whose outcome depends on telemetry.

    Attributes:
        suite: The suite's name.
        variant: The variant of the telemetry setup.
        test: The test's id.
        without: Its outcome without telemetry.
        telemetry: Its outcome with telemetry.
        reason: The end of its traceback with telemetry.
    """

    suite: str
    variant: str
    test: str
    without: str
    telemetry: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.suite} ({self.variant}): {self.test}: {self.without} -> {self.telemetry}"


def differing(without: Outcomes, telemetry: Outcomes) -> list[str]:
    """Return the ids of tests whose outcomes differ between two runs, or that only one run has."""
    tests = sorted({*without, *telemetry})
    return [test for test in tests if without.get(test, MISSING) != telemetry.get(test, MISSING)]


def confirmed(test: str, without: Iterable[Outcomes], telemetry: Iterable[Outcomes]) -> bool:
    """Return whether repeated runs with telemetry share no outcome with those without."""
    return {run.get(test, MISSING) for run in without}.isdisjoint({run.get(test, MISSING) for run in telemetry})


@dataclass(frozen=True)
class Expected:
    """An entry of the table of expected differences.

    Attributes:
        suite: The suite's name.
        tests: A test id, or a prefix of ids followed by "*".
        reason: Why the tests differ.
        variants: The variants in which they differ; empty for all.
    """

    suite: str
    tests: str
    reason: str
    variants: tuple[str, ...] = ()

    def covers(self, suite: str, variant: str, test: str) -> bool:
        """Return whether a difference of this test is expected."""
        return (
            suite == self.suite
            and (not self.variants or variant in self.variants)
            and (test.startswith(self.tests[:-1]) if self.tests.endswith("*") else test == self.tests)
        )


def unknown(differences: Iterable[Difference], table: Collection[Expected]) -> list[Difference]:
    """Return the differences that no entry covers."""
    return [one for one in differences if not any(e.covers(one.suite, one.variant, one.test) for e in table)]


def stale(
    differences: Collection[Difference],
    table: Iterable[Expected],
    ran: Collection[tuple[str, str, str]],
    is_whole: Callable[[str], bool],
) -> list[Expected]:
    """Return the entries that no longer cover a difference.

    Parameters:
        differences: The differences of all runs.
        table: The expected differences.
        ran: Suite, variant and id of every test that ran.
        is_whole: Whether whole suites ran. Only then is an entry stale whose tests did not run.
    """
    return [
        entry
        for entry in table
        if not any(entry.covers(one.suite, one.variant, one.test) for one in differences)
        and (is_whole(entry.suite) or any(entry.covers(*test) for test in ran))
    ]
