"""Run it: ``scripts/chaos --help``."""

import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.detection.report import put
from stack.errors import StackError

from .cases import CASES
from .table import header, line
from .world import world

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Faults around a running application: what arrives, and what its clients feel. About 20 minutes.",
    )
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="NAME", help=f"of {', '.join(CASES)}")
    parser.add_argument("--write", action="store_true", help="put the table into docs/chaos.md")
    parser.add_argument("--data", type=Path, help="folder for all data and logs (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Run it; the exit status."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(stderr=True)
    rows = []
    with contextlib.ExitStack() as stack:
        folder = arguments.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        try:
            at = stack.enter_context(world(folder.absolute()))
            print(header(), flush=True)
            for name in arguments.only or CASES:
                console.log(f"{name} …")
                row = CASES[name](at)
                rows.append(row)
                print(line(row), flush=True)
                for fault in row.faults:
                    console.log(f"  {fault}")
        except (StackError, TimeoutError, RuntimeError) as error:
            print(f"chaos: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    found = [f"{row.title}: {fault}" for row in rows for fault in row.faults]
    print("\n".join(["", *found]))
    if arguments.write:
        put(PAGE, "faults", "\n".join([header(), *map(line, rows), *(f"\n{fault}" for fault in found)]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
