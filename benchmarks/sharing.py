"""The cost of totals over several workers: ours, and prometheus_client's multiprocess mode with the same series.

.venv-bench/bin/python -m benchmarks.sharing
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from .processes import Worker, process

# Attribute sets of requests, each with a counter and a histogram, and of failed payments, each with a counter.
MIXED, REQUESTS_ONLY, NONE = (500, 500), (1_000, 0), (0, 0)
FEW, MANY, AT_ONCE = 8, 32, 5
REQUESTS = 1_000
_MEASURED_IN = 20.0  # idle workers keep what they have every few seconds


class Row(NamedTuple):
    """A measurement of ours beside what it is compared with, and the bar.

    Parameters:
        at_most: A number, or None where there is no bar.
        of_other: Whether `at_most` is a multiple of the other's value.
    """

    name: str
    ours: list[float]
    other_name: str
    other: list[float]
    at_most: float | None = None
    of_other: bool = False

    @property
    def judged(self) -> list[float]:
        """Return the measured ratio of each round."""
        if self.of_other:
            return [one / other for one, other in zip(self.ours, self.other, strict=True)]
        return self.ours

    @property
    def is_met(self) -> bool:
        """Whether it is within the bar."""
        return self.at_most is None or median(self.judged) <= self.at_most


class Groups:
    """Groups of workers in one temporary directory.

    Parameters:
        path: That directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def group(self, kind: str, count: int, sets: tuple[int, int] = MIXED) -> Iterator[Worker]:
        """Run a group of workers until the block ends. The first one of ours defines the series of `multiprocess`."""
        series = self._path / f"series-{sets[0]}"
        folder = Path(tempfile.mkdtemp(dir=self._path))
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder)} if kind == "multiprocess" else {}
        arguments = (kind, str(folder), str(count), *map(str, sets), str(series))
        with process("benchmarks.groups", environment, *arguments) as started:
            group = Worker(started)
            if kind == "ours" and not series.exists():
                group.ask("save")
            yield group
            group.ask("end")


def measured(rounds: int) -> list[Row]:
    """Measure everything, and return a row for each thing.

    Parameters:
        rounds: Scrapes of each group, interleaved.
    """
    with tempfile.TemporaryDirectory(prefix="sharing-", ignore_cleanup_errors=True) as name:
        groups = Groups(Path(name))
        few = [
            *_few(groups, rounds, "mixed", MIXED, idle=True),
            *_few(groups, rounds, "requests", REQUESTS_ONLY),
        ]
        return [*few, *_many(groups), *_forks(groups), _requests(groups, rounds)]


def cpu_ratios(rounds: int) -> list[float]:
    """Return the CPU time of a scrape over the multiprocess mode's, round by round."""
    with tempfile.TemporaryDirectory(prefix="sharing-", ignore_cleanup_errors=True) as name:
        return _few(Groups(Path(name)), rounds, "mixed", MIXED)[0].judged


def _few(groups: Groups, rounds: int, name: str, sets: tuple[int, int], *, idle: bool = False) -> list[Row]:
    with groups.group("ours", FEW, sets) as ours, groups.group("multiprocess", FEW, sets) as theirs:
        found = [(ours.ask("scrape"), theirs.ask("scrape")) for _ in range(rounds)]
        used = _idle(ours, theirs) if idle else []
    cpu, grown = ([[one[n][key] for one in found] for n in (0, 1)] for key in ("cpu_seconds", "grown_mb"))
    rows = [
        Row(f"{FEW} workers, {name}: CPU of a scrape, s", cpu[0], "multiprocess", cpu[1], 1.0, of_other=True),
        Row("   memory of the scraped worker, MB", grown[0], "multiprocess", grown[1], 64),
    ]
    return [*rows, Row("   idle worker, % of a core", used[:1], "multiprocess", used[1:], 0.3)] if idle else rows


def _idle(*groups: Worker) -> list[float]:
    before = [group.ask("cpu")["cpu_seconds"] for group in groups]
    time.sleep(_MEASURED_IN)
    now = [group.ask("cpu")["cpu_seconds"] for group in groups]
    return [(after - was) / FEW / _MEASURED_IN * 100 for after, was in zip(now, before, strict=True)]


def _many(groups: Groups) -> list[Row]:
    alone: list[list[float]] = []
    at_once: list[list[float]] = []
    grown: list[list[float]] = []
    for kind in ("ours", "multiprocess"):
        with groups.group(kind, MANY) as group:
            found = [group.ask("scrape") for _ in range(3)]
            alone.append([one["seconds"] for one in found])
            grown.append([one["grown_mb"] for one in found])
            at_once.append([group.ask("scrape", at_once=AT_ONCE)["seconds"]])
    return [
        Row(f"{MANY} workers: a scrape, s", alone[0], "multiprocess", alone[1], 3),
        Row(f"   {AT_ONCE} scrapes at once, s", at_once[0], "multiprocess", at_once[1], 3),
        Row("   memory of the scraped worker, MB", grown[0], "multiprocess", grown[1], 64),
    ]


def _forks(groups: Groups) -> list[Row]:
    kinds = ("ours", "alone", "bare")
    with ExitStack() as stack:
        ours, alone, bare = (stack.enter_context(groups.group(kind, 1)) for kind in kinds)
        before = ours.ask("scrape")["files"]
        found = [group.ask("forks") for group in (ours, alone, bare)]
        left = found[0]["files"] - before
    rows = []
    for key, name in (("fork_ms", "os.fork and os._exit"), ("popen_ms", "Popen(preexec_fn=...)")):
        taken = [one[key] for one in found]
        rows.append(Row(f"{name} over bare, ms", [taken[0] - taken[2]], "alone", [taken[1] - taken[2]], 1.0))
    return [*rows, Row("files that these leave", [float(left)], "", [], 0)]


def _requests(groups: Groups, rounds: int) -> Row:
    """Cost over the application without telemetry, of a worker that shares and of one that does not."""
    kinds = ("ours", "alone", "bare")
    with ExitStack() as stack:
        started = [stack.enter_context(groups.group(kind, 1, NONE)) for kind in kinds]
        for group in started:
            group.ask("requests", count=REQUESTS)
        found = [[group.ask("requests", count=REQUESTS)["request_us"] for group in started] for _ in range(3 * rounds)]
    ours, alone = ([one[number] - one[2] for one in found] for number in (0, 1))
    return Row("a request over bare, µs", ours, "alone", alone, 1.1, of_other=True)


def table(rows: list[Row]) -> Table:
    """Return the rows as a table."""
    made = Table(title="workers of 1,000 attribute sets: medians [lowest .. highest]", title_justify="left")
    for heading in ("", "ours", "other", "", "at most", ""):
        made.add_column(heading, justify="right" if heading in {"ours", "other"} else "left", no_wrap=True)
    for row in rows:
        bar = "" if row.at_most is None else f"{row.at_most:g}{' x other' if row.of_other else ''}"
        verdict = "" if row.at_most is None else "met" if row.is_met else "MISSED"
        made.add_row(row.name, _spread(row.ours), _spread(row.other), row.other_name, bar, verdict)
    return made


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return "".join(f"{value:.3g}" for value in values)
    return f"{median(values):.3g} [{min(values):.3g} .. {max(values):.3g}]"


def main() -> int:
    """Measure, and print the table; 1 where --check is given and a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharing", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved scrapes (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("--json", type=Path, help="file to write the result to")
    options = parser.parse_args()
    rows = measured(options.rounds)
    Console(width=160).print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([{**row._asdict(), "met": row.is_met} for row in rows], indent=1) + "\n")
    return int(options.check and not all(row.is_met for row in rows))


if __name__ == "__main__":
    sys.exit(main())
