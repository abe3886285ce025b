"""Measure, print the table, write JSON: see --help."""

import argparse
import json
import os
import platform
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from . import load
from .applications import APPLICATIONS
from .bars import Verdict, verdicts
from .competitors import COMPETITORS
from .imports import import_ratios
from .processes import Worker, surroundings, worker
from .scrape import scrape_ratio
from .sharing import cpu_ratios

Found = dict[str, dict[str, dict[str, list[float]]]]

# Under uvicorn a round takes seconds.
_SERVED_ROUNDS = 5

console = Console(width=130)


def main() -> int:
    """Measure as the arguments say; 1 where --check is given and a bar is missed."""
    options = _options()
    # Ended from outside, it still ends the processes that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: Found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with surroundings() as environment:
        for application in options.applications:
            _measure(application, options, environment, found[application])
            console.print(_table(application, found[application]))
    further = {}
    if options.further:
        further = {
            "import": import_ratios(options.rounds),
            "scrape": [scrape_ratio() for _ in range(options.rounds)],
            "scrape of 8 workers": cpu_ratios(options.rounds),
        }
    cpu = {name: {who: got["cpu_us"] for who, got in of.items()} for name, of in found.items()}
    judged = verdicts(cpu, further)
    console.print(_judgement(judged))
    options.json.write_text(json.dumps(_document(options, found, further, judged), indent=1) + "\n")
    missed = [verdict.bar for verdict in judged if not verdict.is_met]
    if options.check and missed:
        print(f"bars missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


def _measure(
    application: str, options: argparse.Namespace, environment: dict[str, str], found: dict[str, dict[str, list[float]]]
) -> None:
    """All competitors with one application, in rounds that are interleaved."""
    asked = APPLICATIONS[application]
    names = _names(application, options)
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in names:
            workers[name] = stack.enter_context(worker(application, name, environment))
        for number in range(options.rounds):
            # Forth and back: nobody has always the same neighbour before.
            for name in names if number % 2 == 0 else reversed(names):
                for measure, value in workers[name].ask("round", requests=asked.requests).items():
                    found[name][measure].append(value)
        if application in options.served:
            for _ in range(_SERVED_ROUNDS):
                for name in names:
                    rate, _ = load.requests_per_second(workers[name].port, asked.path, options.seconds)
                    found[name]["requests_per_s"].append(rate)
        if application in options.memory:
            for name in names:
                grown = workers[name].ask("memory", requests=options.memory_requests, clients=10_000)
                found[name]["rss_after_mb"].append(grown["rss_mb"])


def _names(application: str, options: argparse.Namespace) -> list[str]:
    """The competitors; upstream with traces only is compared where there are databases, unless it is asked for."""
    names = [name for name in COMPETITORS if name in options.competitors or name == "bare"]
    left_out = application != "data" and "upstream-traces" not in options.named
    return [name for name in names if not (left_out and name == "upstream-traces")]


def _table(application: str, found: dict[str, dict[str, list[float]]]) -> Table:
    asked = APPLICATIONS[application]
    each = "an event" if asked.units > 1 else "a request"
    table = Table(title=f"{application}: us {each}, medians [lowest .. highest]", title_justify="left")
    for heading in ("", "CPU", "CPU over bare", "p50 over bare", "p99 over bare", "RSS MB", "requests/s"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    bare = found["bare"]
    for name, got in found.items():
        over = [
            [one - other for one, other in zip(got[m], bare[m], strict=True)] for m in ("cpu_us", "p50_us", "p99_us")
        ]
        rates = got.get("requests_per_s")
        table.add_row(
            name,
            f"{median(got['cpu_us']):,.2f}" if asked.units > 1 else f"{median(got['cpu_us']):,.0f}",
            *(_spread(values, 2 if asked.units > 1 else 0) for values in over),
            f"{got['rss_mb'][-1]:,.0f}" + (f" > {got['rss_after_mb'][-1]:,.0f}" if "rss_after_mb" in got else ""),
            _spread(rates, 0) if rates else "",
        )
    return table


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} [{min(values):,.{digits}f} .. {max(values):,.{digits}f}]"


def _judgement(judged: Sequence[Verdict]) -> Table:
    table = Table(title="bars: ratios of overheads", title_justify="left")
    for heading in ("", "measured", "at most", ""):
        table.add_column(heading)
    for verdict in judged:
        measured = f"{verdict.measured:.3f} [{verdict.low:.3f} .. {verdict.high:.3f}]"
        table.add_row(verdict.bar, measured, f"{verdict.at_most}", "met" if verdict.is_met else "MISSED")
    return table


def _document(
    options: argparse.Namespace, found: Found, further: dict[str, list[float]], judged: Sequence[Verdict]
) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "rounds": options.rounds,
        "measured": found,
        "ratios": further,
        "bars": [{**verdict._asdict(), "met": verdict.is_met} for verdict in judged],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="What telemetry costs, ours and others'.")
    parser.add_argument("--quick", action="store_true", help="three rounds, without uvicorn and memory")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed (ratios only)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (15; with --quick 3)")
    parser.add_argument("--applications", nargs="+", choices=APPLICATIONS, default=list(APPLICATIONS))
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=[])
    parser.add_argument("--memory-requests", type=int, default=100_000, help="after which memory is looked at again")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load under uvicorn in each round")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the result is written")
    options = parser.parse_args()
    options.named = options.competitors
    options.competitors = options.competitors or list(COMPETITORS)
    options.rounds = options.rounds or (3 if options.quick else 15)
    options.served = () if options.quick else ("routes-1", "data")
    options.memory = () if options.quick else ("routes-1",)
    options.further = options.check or not options.named
    return options


if __name__ == "__main__":
    sys.exit(main())
