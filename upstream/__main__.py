"""Run it: ``scripts/upstream --help``."""

import argparse
import sys
import time
from dataclasses import dataclass, field

from .errors import Unreachable, UpstreamError
from .outcomes import Difference, Run, confirmed, differing, stale, unknown
from .running import Recorded, named, run_tests, sink, variants, without_telemetry
from .suites import SUITES, Suite
from .table import expected

DIFFERENT, FAILED, UNREACHED = 1, 2, 3
_RERUNS = 3


@dataclass
class Report:
    """What all runs found."""

    differences: list[Difference] = field(default_factory=list)
    unsteady: list[Difference] = field(default_factory=list)
    ran: set[tuple[str, str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/upstream",
        description="Run other projects' own test suites without and with telemetry, and compare them test by test. "
        "Exits with 1 on a difference that is not in upstream/differences.toml or an entry there that no longer "
        "differs, and with 3 if the package index cannot be reached.",
    )
    parser.add_argument("suites", nargs="*", choices=[suite.name for suite in SUITES], metavar="SUITE")
    parser.add_argument("--all", action="store_true", help="run whole suites in every variant, not the quick part")
    parser.add_argument("--variant", action="append", help="run this variant only; repeatable")
    parser.add_argument("--verbose", action="store_true", help="print the traceback of each unexpected difference")
    return parser.parse_args()


def _compare(suite: Suite, variant: str, settings: dict[str, object], without: Run, paths: tuple[str, ...]) -> Report:
    report = Report()
    run, recorded = run_tests(suite, paths, settings)
    report.ran = {(suite.name, variant, test) for test in run.outcomes}
    report.problems = _problems(suite, variant, recorded)
    suspects = differing(without.outcomes, run.outcomes)
    again = [test for test in suspects if test in without.outcomes]
    plain, observed = _reruns(suite, again, None), _reruns(suite, again, settings)
    for test in suspects:
        one = Difference(
            suite.name,
            variant,
            test,
            without.outcomes.get(test, "missing"),
            run.outcomes.get(test, "missing"),
            run.reasons.get(test, ""),
        )
        # Nothing to repeat: a test that only exists with telemetry.
        steady = test not in without.outcomes or confirmed(test, plain, observed)
        (report.differences if steady else report.unsteady).append(one)
    return report


def _reruns(suite: Suite, tests: list[str], settings: dict[str, object] | None) -> list[dict[str, str]]:
    if not tests:
        return []
    return [dict(run_tests(suite, tests, settings, parallel=len(tests) > 20)[0].outcomes) for _ in range(_RERUNS)]  # noqa: PLR2004


def _problems(suite: Suite, variant: str, recorded: Recorded) -> list[str]:
    shown = ", ".join(f"{name} {count}" for name, count in sorted(recorded.samples.items())) or "nothing"
    print(f"  {variant}: recorded {shown}", flush=True)
    found = [] if recorded.samples else [f"{suite.name} ({variant}): telemetry recorded nothing"]
    faults = ", ".join(f"{site} {count}" for site, count in sorted(recorded.faults.items()))
    return [*found, f"{suite.name} ({variant}): faults in the package: {faults}"] if faults else found


def _run(arguments: argparse.Namespace) -> Report:
    total = Report()
    with sink() as endpoint:
        for suite in named(arguments.suites):
            paths = suite.paths(whole=arguments.all)
            if not paths:
                continue
            began = time.monotonic()
            without = without_telemetry(suite, paths)
            failing = sum(outcome in ("failed", "error") for outcome in without.outcomes.values())
            print(f"{suite.name}: {len(without.outcomes)} tests, {failing} fail without telemetry", flush=True)
            for variant, settings in variants(suite, endpoint).items():
                if variant in (arguments.variant or ([variant] if arguments.all else ["export"])):
                    report = _compare(suite, variant, settings, without, paths)
                    total.differences += report.differences
                    total.unsteady += report.unsteady
                    total.ran |= report.ran
                    total.problems += report.problems
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return total


def main() -> int:
    """Run it and return the exit status."""
    arguments = _arguments()
    table = expected()
    try:
        report = _run(arguments)
    except Unreachable as error:
        print(f"NOT RUN: {error}")
        return UNREACHED
    except UpstreamError as error:
        print(f"upstream: {error}", file=sys.stderr)
        return FAILED
    new = unknown(report.differences, table)
    whole = {suite.name for suite in named(arguments.suites)} if arguments.all and not arguments.variant else set()
    outdated = stale(report.differences, table, report.ran, whole.__contains__)
    for one in report.unsteady:
        print(f"not reproduced: {one}")
    for problem in report.problems:
        print(f"PROBLEM: {problem}")
    for one in new:
        print(f"DIFFERENCE: {one}")
        if arguments.verbose and one.reason:
            print("    " + "\n    ".join(one.reason.splitlines()[-30:]))
    for entry in outdated:
        print(f"STALE: {entry.suite}: {entry.tests}: no test differs; remove it from upstream/differences.toml")
    print(f"{len(new)} unexpected differences, {len(report.differences) - len(new)} expected, {len(outdated)} stale")
    return DIFFERENT if new or outdated or report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
