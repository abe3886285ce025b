"""The command ``wxiai-otel``."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ._version import VERSION
from .alerting import AlertConfigError
from .settings import SettingError
from .zero_code import CommandNotFound, run

_PORTS = range(1, 65_536)
_COMMAND_NOT_FOUND = 127  # as a shell says it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wxiai-otel", description="What goes with wxiai_otel beside the application.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run a command whose FastAPI application is set up, without any code"))
    _add_doctor(commands.add_parser("doctor", help="what is instrumented here, what is not and why, and what arrives"))
    _add_bridge(commands.add_parser("bridge", help="take Alertmanager's webhook, and tell chats and mail"))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.usage = "wxiai-otel run [--] COMMAND [ARGUMENT ...]"
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="as uvicorn app:app --workers 4")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        return _failed("run: which command?")
    try:
        run(words, os.environ)
    except CommandNotFound as error:
        _failed(error)
    return _COMMAND_NOT_FOUND


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--app", metavar="MODULE:APP", help="the application: imported, and set up in memory")
    parser.add_argument("--url", help="of the running application: its endpoints are looked at")
    parser.add_argument("--prometheus", metavar="URL", help="send a probe, and look for its metric there")
    parser.add_argument("--jaeger", metavar="URL", help="send a probe, and look for its trace there")
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds to look for the probe (default: %(default)s)"
    )
    parser.add_argument("--all", action="store_true", help="show also the settings that have their defaults")
    parser.add_argument("--json", action="store_true", help="all that was found, for programs")
    parser.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import Options, examine, show

    options = Options(arguments.app, arguments.url, arguments.prometheus, arguments.jaeger, arguments.timeout)
    report = examine(options)
    if arguments.json:
        json.dump(report.as_data(), sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        show(report, sys.stdout, all_settings=arguments.all)
    return 0 if report.healthy else 1


def _add_bridge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="TOML or JSON; WXIAI_BRIDGE_… variables go before it")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=9095, help="likewise (default: %(default)s)")
    parser.set_defaults(run=_bridge)


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) not in _PORTS:
        raise argparse.ArgumentTypeError(f"{value!r}: allowed is a port from {_PORTS[0]} to {_PORTS[-1]}")
    return int(value)


def _bridge(arguments: argparse.Namespace) -> int:
    try:
        from .alerting.bridge._config import load
        from .alerting.bridge._serve import serve
    except ModuleNotFoundError as error:
        return _missing(error, "bridge")
    try:
        return serve(load(arguments.config, os.environ), arguments.host, arguments.port)
    except ModuleNotFoundError as error:
        return _missing(error, "bridge")


def _missing(error: ModuleNotFoundError, extra: str) -> int:
    return _failed(f"{error.name} is not installed: pip install 'wxiai-otel[{extra}]'")


def _failed(message: object) -> int:
    print(f"wxiai-otel: {message}", file=sys.stderr)  # noqa: T201 - it is a command
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters:
        arguments: Of the command line; None: those of the process.

    Returns:
        The exit status.
    """
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except (AlertConfigError, SettingError) as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
