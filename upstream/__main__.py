"""The command `scripts/upstream`."""

import argparse
import sys
import time
from dataclasses import dataclass, field

from .errors import Unreachable, UpstreamError
from .outcomes import Difference, Expected, Run, confirmed, differing, stale, unknown
from .running import Recorded, named, run_tests, sink, variants, without_telemetry
from .suites import SUITES, Suite
from .table import expected

DIFFERENT, FAILED, UNREACHED = 1, 2, 3
_RERUNS = 3


@dataclass
class Report:
    """The findings of all runs."""

    differences: list[Difference] = field(default_factory=list)
    unsteady: list[Difference] = field(default_factory=list)
    ran: set[tuple[str, str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def _name(text: str) -> str:
    """Return the name of a suite: `choices` would reject an empty list on Python 3.11."""
    names = [suite.name for suite in SUITES]
    if text not in names:
        raise argparse.ArgumentTypeError(f"unknown suite {text!r}; choose from {', '.join(names)}")
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/upstream",
        description="Run other projects' own test suites without and with telemetry, and compare them test by test. "
        "Exits with 1 on a difference that is not in upstream/differences.toml or an entry there that no longer "
        "differs, and with 3 if the package index cannot be reached.",
    )
    parser.add_argument("suites", nargs="*", type=_name, metavar="SUITE", help="run these suites only")
    parser.add_argument("--all", action="store_true", help="run whole suites in every variant, not the quick part")
    parser.add_argument("--variant", action="append", help="run this variant only; repeatable")
    parser.add_argument("--verbose", action="store_true", help="print the traceback of each unexpected difference")
    return parser.parse_args()


def _compare(
    suite: Suite, variant: str, settings: dict[str, object], without: Run, paths: tuple[str, ...], table: list[Expected]
) -> Report:
    report = Report()
    run, recorded = run_tests(suite, paths, settings)
    report.ran = {(suite.name, variant, test) for test in run.outcomes}
    report.problems = _problems(suite, variant, recorded)
    suspects = differing(without.outcomes, run.outcomes)
    # Expected differences need no confirmation, and a test that exists only with telemetry cannot be repeated.
    again = [
        test
        for test in suspects
        if test in without.outcomes and not any(entry.covers(suite.name, variant, test) for entry in table)
    ]
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
        steady = test not in again or confirmed(test, plain, observed)
        (report.differences if steady else report.unsteady).append(one)
    return report


def _reruns(suite: Suite, tests: list[str], settings: dict[str, object] | None) -> list[dict[str, str]]:
    if not tests:
        return []
    # Whole files: SQLAlchemy's test ids cannot be selected, and tests may depend on earlier ones.
    files = sorted({test.partition("::")[0] for test in tests})
    return [dict(run_tests(suite, files, settings)[0].outcomes) for _ in range(_RERUNS)]


def _problems(suite: Suite, variant: str, recorded: Recorded) -> list[str]:
    where = f"{suite.name} ({variant})"
    samples = recorded.samples
    print(f"  {variant}: {', '.join(f'{name} {samples[name]}' for name in sorted(samples)) or 'nothing'}", flush=True)
    wanted = [suite.records, *(["wxiai_otel_exports_total"] if variant.startswith("export") else [])]
    found = [f"{where}: telemetry recorded no {name}" for name in wanted if not samples[name]]
    if recorded.faults:
        sites = ", ".join(f"{site} {count}" for site, count in sorted(recorded.faults.items()))
        found.append("\n".join((f"{where}: faults in the package: {sites}", *recorded.texts)))
    return found


def _run(arguments: argparse.Namespace, table: list[Expected]) -> Report:
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
                    report = _compare(suite, variant, settings, without, paths, table)
                    total.differences += report.differences
                    total.unsteady += report.unsteady
                    total.ran |= report.ran
                    total.problems += report.problems
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return total


def main() -> int:
    """Run the command and return the exit status."""
    arguments = _arguments()
    table = expected()
    try:
        report = _run(arguments, table)
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
