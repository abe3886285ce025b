"""Run it: ``scripts/detection --help``."""

import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from stack.errors import StackError

from .faults import CASES
from .outage import outage
from .platform import everything
from .report import write, write_outage
from .run import run, unresolved
from .table import footer, header, row


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/detection",
        description="Faults in a running application, and the time until their page has arrived. About 45 minutes.",
    )
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], help="these faults")
    parser.add_argument(
        "--quick", action="store_true", help="end each fault when it has been told, before its specified alert fires"
    )
    parser.add_argument("--outage", type=float, metavar="MINUTES", help="instead: a channel that is away for so long")
    parser.add_argument("--write", action="store_true", help="put the result into docs/detection.md")
    parser.add_argument("--data", type=Path, help="folder for all data and logs (default: a temporary one)")
    return parser.parse_args()


def _faults(arguments: argparse.Namespace, folder: Path) -> bool:
    cases = [case for case in CASES if arguments.only is None or case.name in arguments.only]
    results = []
    console = Console(stderr=True)
    with everything(folder) as at:
        print(header(), flush=True)
        for result in run(at, cases, console.log, companions=not arguments.quick):
            results.append(result)
            print(row(result), flush=True)
            for fault in result.faults:
                console.log(f"  {fault}")
        console.log("until the end of each has been told …")
        left = [] if arguments.quick else unresolved(at)
        total = [one for one in at.sinks.all() if not one.resolved]
    for line in footer(results, left, len(total)):
        print(line)
    if arguments.write:
        write(results)
    return not left and not any(result.faults for result in results)


def _outage(arguments: argparse.Namespace, folder: Path) -> bool:
    with everything(folder) as at:
        found = outage(at, arguments.outage * 60, Console(stderr=True).log)
    print(found.text())
    if arguments.write:
        write_outage(found)
    return not found.faults


def main() -> int:
    """Run it; the exit status."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        folder = arguments.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detection-")))
        try:
            good = (_faults if arguments.outage is None else _outage)(arguments, folder.absolute())
        except (StackError, TimeoutError, RuntimeError) as error:
            print(f"detection: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
