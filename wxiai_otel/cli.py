"""The command ``wxiai-otel``."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ._misspelled import did_you_mean
from ._version import VERSION
from .alerting import AlertConfigError
from .settings import SettingError
from .zero_code import CommandNotFound, WrongOrder, run

_PORTS = range(1, 65_536)
_COMMAND_NOT_FOUND = 127  # as a shell says it


_EXAMPLES = """\
examples:
  wxiai-otel run -- uvicorn app:app --workers 4
  wxiai-otel doctor --app app:app
  wxiai-otel doctor --prometheus http://localhost:9090 --jaeger http://localhost:16686
  wxiai-otel init monitoring --channel dingtalk
  wxiai-otel init monitoring --channel wechat --without grafana --otlp-port 4318
  wxiai-otel bridge --config bridge.toml
  wxiai-otel catalog credits
  wxiai-otel completion bash > ~/.local/share/bash-completion/completions/wxiai-otel
"""


class _Parser(argparse.ArgumentParser):
    """A parser that suggests options for misspelled ones."""

    def __init__(self, **options: Any) -> None:
        self.options: list[str] = []
        super().__init__(**options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Add an argument, and note it for suggestions."""
        action = super().add_argument(*names, **options)
        self.options += action.option_strings
        return action


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments, or exit with an error that suggests what a misspelled command or option may mean."""
    parser = _parser()
    # No option before the command has a value.
    command = next((word for word in arguments if not word.startswith("-")), None)
    names = [name for name, _, _ in _COMMANDS]
    if command is not None and command not in names:
        parser.error(f"there is no command {command!r}; allowed are {', '.join(names)}{did_you_mean(command, names)}")
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = parsed.parser.options
        likely = next((end for word in unknown if (end := did_you_mean(word.partition("=")[0], options))), "")
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}{likely}")
    return parsed


def _parser() -> _Parser:
    parser = _Parser(
        prog="wxiai-otel",
        description="What goes with wxiai_otel beside the application.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, add, told in _COMMANDS:
        # The examples that are of one command are shown by its own --help too.
        examples = [line for line in _EXAMPLES.splitlines() if line.startswith(f"  wxiai-otel {name} ")]
        command = commands.add_parser(
            name,
            help=told,
            description=f"{told[0].upper()}{told[1:]}.",
            epilog="\n".join(["examples:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(command)
        command.set_defaults(parser=command)
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
    except WrongOrder as error:
        return _failed(error)
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
    # What an application prints when it is imported is no part of the report, least of all of JSON.
    with contextlib.redirect_stdout(sys.stderr):
        report = examine(options)
    if arguments.json:
        json.dump(report.as_data(), sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        show(report, sys.stdout, all_settings=arguments.all)
    return 0 if report.healthy else 1


def _add_init(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="where to")
    add(
        "--channel",
        dest="channels",
        action="append",
        metavar="NAME",
        help="of the notification bridge, to be on: dingtalk, wechat, feishu and others; may be given again",
    )
    add("--without", action="append", metavar="SERVICE", help="grafana, jaeger or mailpit; may be given again")
    add("--traces-to", metavar="HOST:PORT", help="an OTLP receiver (gRPC) instead of Jaeger")
    add("--mail-server", metavar="HOST:PORT", help="with TLS, instead of mailpit, which keeps all mails to itself")
    add("--mail-from", metavar="ADDRESS", help="who writes")
    add("--mail-to", metavar="ADDRESS", help="who is written to, whatever the team")
    add("--mail-user", metavar="NAME", help="login at the mail server")
    add("--grafana-port", type=int, metavar="PORT", help="where Grafana is (default: 3000)")
    add("--otlp-port", type=int, metavar="PORT", help="where applications on this machine itself send to, as 4318")
    add("--defaults", action="store_true", help="ask nothing; it is asked on a terminal where none of these is given")
    add("--force", action="store_true", help="overwrite files that are there and are others")
    parser.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> int:
    from .lay_out import Choices, LayOutError, ask, lay_out, secrets_of, to_be_edited

    names = [field.name for field in fields(Choices)]
    given: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    asked = not given and not arguments.defaults and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        choices = ask(sys.stdin, sys.stdout) if asked else Choices(**given)
        written = lay_out(arguments.folder, choices, force=arguments.force)
        needed = secrets_of(choices)
    except LayOutError as error:
        return _failed(error)
    lines = [f"{len(written)} files written to {arguments.folder}"]
    bridge = arguments.folder / "alerts" / "bridge.toml"
    lines += [f"put your own addresses into {bridge}, [{name}]" for name in to_be_edited(choices)]
    lines += [f"write the secret into {arguments.folder / 'secrets' / name}" for name in needed]
    lines += [f"then: docker compose --project-directory {arguments.folder} up --build --wait"]
    print("\n".join(lines))  # noqa: T201 - it is a command
    return 0


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


def _add_catalog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="only those with it in their name")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_catalog)


def _catalog(arguments: argparse.Namespace) -> int:
    from .catalogue import CONTRACT, RULE_METRICS

    made = [
        {"name": name, "type": metric.type, "labels": metric.labels, "description": instrument.description}
        for name, (instrument, metric) in CONTRACT.items()
    ]
    ruled = [
        {"name": metric.name, "type": "gauge", "labels": metric.labels, "description": metric.description}
        for metric in RULE_METRICS
    ]
    found = [metric for metric in (*made, *ruled) if arguments.word in str(metric["name"])]
    if not found:
        return _failed(f"catalog: no metric has {arguments.word!r} in its name; without a word all are shown")
    if arguments.json:
        json.dump(found, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
        return 0
    for metric in found:
        print(f"{metric['name']}{{{', '.join(metric['labels'])}}} {metric['type']}\n    {metric['description']}")  # noqa: T201 - it is a command
    return 0


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    parser.set_defaults(run=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    try:
        import shtab
    except ModuleNotFoundError as error:
        return _missing(error, "cli")
    print(shtab.complete(_parser(), arguments.shell))  # noqa: T201 - it is a command
    return 0


_COMMANDS: tuple[tuple[str, Callable[[argparse.ArgumentParser], None], str], ...] = (
    ("run", _add_run, "run a command whose FastAPI application is set up, without any code"),
    ("doctor", _add_doctor, "say what is instrumented here, what is not and why, and what arrives"),
    ("init", _add_init, "write the pipeline's files: Collector, Prometheus, alerts, dashboards, docker-compose.yml"),
    ("bridge", _add_bridge, "take Alertmanager's webhook, and tell chats and mail"),
    ("catalog", _add_catalog, "show every metric: its name, labels, type and meaning"),
    ("completion", _add_completion, "write what completes these commands in a shell"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters:
        arguments: Of the command line; None: those of the process.

    Returns:
        The exit status.
    """
    parsed = _parse(sys.argv[1:] if arguments is None else arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except (AlertConfigError, SettingError) as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
