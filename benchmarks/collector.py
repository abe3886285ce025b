"""What the Collector's configuration costs, against the same Collector with nothing between receiver and exporter.

Every 5 seconds each worker exports and Prometheus scrapes once: so a round is a number of times that. CPU is the time
of the Collector's process, all its threads included, divided by the data points that it was sent.
"""

import argparse
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from . import otelcol
from .bars import Verdict
from .replay import Worker, recorded
from .statements import steps

AT_MOST = 1.5
PROTOCOLS = ("http", "grpc")

console = Console(width=130)


def main() -> int:
    """Measure as the arguments say; 1 where --check is given and the bar is missed."""
    options = _options()
    # Ended from outside, it still ends the processes that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    body = recorded(options.routes).metrics
    workers = [Worker(body, number) for number in range(options.workers)]
    console.print(f"{options.workers} workers, {workers[0].datapoints} data points an export")
    configs = {"empty": otelcol.empty(), "ours": otelcol.ours()}
    found, memory = _measure(configs, workers, options, scrapes=True)
    console.print(_table(found, memory))
    judged = [_verdict(found, protocol, options.at_most) for protocol in PROTOCOLS]
    for verdict in judged:
        console.print(
            f"{verdict.bar}: {verdict.measured:.3f} [{verdict.low:.3f} .. {verdict.high:.3f}], "
            f"at most {verdict.at_most}: {'met' if verdict.is_met else 'MISSED'}"
        )
    added: dict[str, float] = {}
    if options.statements:
        added = _added(*_measure(steps(), workers, options, scrapes=False)[:1])
        console.print(_steps_table(added))
    document = {
        "processors": os.cpu_count(),
        "workers": options.workers,
        "datapoints": workers[0].datapoints,
        "cpu_us_a_datapoint": found,
        "rss_mb": memory,
        "added_us_a_datapoint": added,
        "bars": [{**verdict._asdict(), "met": verdict.is_met} for verdict in judged],
    }
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    missed = [verdict.bar for verdict in judged if not verdict.is_met]
    if options.check and missed:
        print(f"bars missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


Found = dict[str, dict[str, list[float]]]


def _measure(
    configs: Mapping[str, otelcol.Config], workers: Sequence[Worker], options: argparse.Namespace, *, scrapes: bool
) -> tuple[Found, dict[str, float]]:
    """Microseconds a data point by protocol, Collector and round; and each one's memory at the end."""
    found: Found = {protocol: defaultdict(list) for protocol in (PROTOCOLS if scrapes else PROTOCOLS[:1])}
    with ExitStack() as stack:
        running = {name: stack.enter_context(otelcol.collector(config)) for name, config in configs.items()}
        for one in running.values():
            # All series are there before the first round.
            _run(one, workers, "http", 2, scrapes=scrapes)
        for number in range(options.rounds):
            for protocol, got in found.items():
                # Forth and back: nobody has always the same neighbour before.
                for name in running if number % 2 == 0 else reversed(running):
                    got[name].append(_run(running[name], workers, protocol, options.exports, scrapes=scrapes))
        memory = {name: one.rss_mb() for name, one in running.items()}
    return found, memory


def _run(one: otelcol.Collector, workers: Sequence[Worker], protocol: str, exports: int, *, scrapes: bool) -> float:
    # Made before, so that they come as fast as they are taken: a Collector that waits in between costs more for each.
    intervals = [[worker.export() for worker in workers] for _ in range(exports)]
    before = one.cpu_seconds()
    for bodies in intervals:
        for body in bodies:
            one.send(protocol, body)
        if scrapes and not one.scrape():
            raise RuntimeError("a scrape was empty")
    return (one.cpu_seconds() - before) / exports / sum(worker.datapoints for worker in workers) * 1e6


def _verdict(found: Found, protocol: str, at_most: float) -> Verdict:
    ratios = [ours / empty for ours, empty in zip(found[protocol]["ours"], found[protocol]["empty"], strict=True)]
    return Verdict(f"{protocol}: ours / empty", median(ratios), min(ratios), max(ratios), at_most)


def _table(found: Found, memory: Mapping[str, float]) -> Table:
    table = Table(title="CPU of the Collector, medians [lowest .. highest]", title_justify="left")
    for heading in ("", "", "us a data point", "data points a second and core", "RSS MB"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for protocol, got in found.items():
        for name, each in got.items():
            spread = f"{median(each):.1f} [{min(each):.1f} .. {max(each):.1f}]"
            table.add_row(protocol, name, spread, f"{1e6 / median(each):,.0f}", f"{memory[name]:,.0f}")
    return table


def _added(found: Found) -> dict[str, float]:
    """What each step costs over the one before it; the first of a pipeline over the empty one."""
    got = {name: median(each) for name, each in found[PROTOCOLS[0]].items()}
    added, before = {}, {"": got["empty"]}
    for name, cost in got.items():
        pipeline = name.partition(":")[0]
        added[name] = cost - before.get(pipeline, before[""]) if name not in ("empty", "all") else cost
        before[pipeline] = cost
    return added


def _steps_table(added: Mapping[str, float]) -> Table:
    table = Table(title="what each step adds, without exposition: us a data point", title_justify="left")
    table.add_column("")
    table.add_column("us", justify="right")
    for name, cost in added.items():
        table.add_row(name, f"{cost:.2f}")
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench-collector", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 where the bar is missed")
    parser.add_argument("--at-most", type=float, default=AT_MOST, help="the bar (default: %(default)s)")
    parser.add_argument("--statements", action="store_true", help="also what each processor, and each group, adds")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--exports", type=int, default=20, help="of each worker in a round (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="that export (default: %(default)s)")
    parser.add_argument("--routes", type=int, default=50, help="of the application (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench-collector.json"), help="where the result is written")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
