"""The pipeline as native processes: ``scripts/stack --help``."""

import argparse
import contextlib
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from dashboards import PREVIEW_PORT

from .binaries import find
from .errors import StackError
from .ports import HOST
from .programs import OF_BINARY
from .running import default_data, down, status, up
from .services import ALL_SERVICES, wanted


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/stack",
        description="Collector, Prometheus, Alertmanager, Jaeger, mailpit and the bridge as native processes.",
    )
    parser.add_argument(
        "--data", type=Path, default=default_data(), help="folder for all data and logs (default: %(default)s)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="build what is missing, start, and return when all is healthy")
    start.add_argument("--free-ports", action="store_true", help="any free ports instead of the usual ones")
    commands.add_parser("build", help="build what is missing, and start nothing")
    commands.add_parser("status", help="each program's address, and whether it is healthy")
    logs = commands.add_parser("logs", help="what a program has logged")
    logs.add_argument("service", choices=[service.name for service in ALL_SERVICES], nargs="?", help="(default: all)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    commands.add_parser("down", help="end all programs; data and logs stay")
    path = commands.add_parser("path", help="where a program is, built when there is none")
    path.add_argument("binary", choices=list(OF_BINARY))
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    data = arguments.data.absolute()
    if arguments.command == "up":
        up(data, usual_ports=not arguments.free_ports)
        code = _print_status(data)
        # Whoever has given a folder has to say it to the others too.
        other = "" if data == default_data() else f"STACK_DATA={shlex.quote(str(data))} "
        print(f"\nAn application under traffic: {other}scripts/demo --stack")
        print(f"Dashboards with live data:    {other}scripts/dashboards, then http://{HOST}:{PREVIEW_PORT}")
        return code
    if arguments.command == "status":
        return _print_status(data)
    if arguments.command == "logs":
        return _print_logs(data, arguments.service, follow=arguments.follow)
    if arguments.command == "build":
        for service in wanted():
            print(service.program())
        return 0
    if arguments.command == "path":
        print(find(arguments.binary))
        return 0
    print("ended" if down(data) else "not running")
    return 0


def _print_status(data: Path) -> int:
    seen = status(data)
    if not seen:
        print("not running")
        return 1
    for one in seen:
        print(f"{one.name:<17}{one.url:<26}{one.state}")
    return 0 if all(one.state == "healthy" for one in seen) else 1


def _print_logs(data: Path, service: str | None, *, follow: bool) -> int:
    names = [service] if service else [one.name for one in ALL_SERVICES]
    files = [str(log) for name in names if (log := data / "logs" / f"{name}.log").exists()]
    if not files:
        raise StackError(f"there are no logs in {data}")
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(["tail", "-n", "200", *(["-F"] if follow else []), *files], check=False)
    return 0


def main() -> int:
    """Run one command; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(_arguments())
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stack: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
