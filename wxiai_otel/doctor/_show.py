"""A report for people: coloured on a terminal where rich is installed, plain everywhere else."""

import importlib.util
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from ._report import Effective, Report, State

_STYLES = {State.OK: "green", State.NOTE: "dim", State.WARNING: "yellow", State.FAILED: "bold red"}
_WIDTH = max(len(state) for state in State)

Line = tuple[str, State | None]


def show(report: Report, stream: TextIO, *, all_settings: bool) -> None:
    """Write a report.

    Parameters:
        report: What was found.
        stream: Where to.
        all_settings: Show also the settings that have their default.
    """
    lines = list(_lines(report, all_settings=all_settings))
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        from rich.console import Console
        from rich.text import Text

        console = Console(file=stream)
        for text, state in lines:
            line = Text(text, "bold" if text and not text.startswith(" ") else "")
            if state is not None:
                line.stylize(_STYLES[state], 2, 2 + _WIDTH)
            console.print(line)
    else:
        for text, _ in lines:
            print(text, file=stream)


def _lines(report: Report, *, all_settings: bool) -> Iterator[Line]:
    shown = [one for one in report.settings if all_settings or one.source != "default"]
    width = max((len(finding.name) for finding in report.findings), default=0)
    for section in dict.fromkeys(finding.section for finding in report.findings):
        yield section, None
        for finding in report.findings:
            if finding.section == section:
                yield f"  {finding.state:<{_WIDTH}}  {finding.name:<{min(width, 40)}}  {finding.message}", finding.state
    yield "settings in force", None
    for setting in shown:
        yield f"  {_setting(setting)}", None
    if not all_settings:
        others = "all" if not shown else "all others"
        yield f"  {others} have their defaults, which --all shows", None
    yield _verdict(report), None


def _setting(setting: Effective) -> str:
    value = ", ".join(setting.value) if isinstance(setting.value, list) else setting.value
    return f"{setting.name} = {value}  ({setting.source})"


def _verdict(report: Report) -> str:
    counts = Counter(finding.state for finding in report.findings)
    wrong = [f"{counts[state]} {state}" for state in (State.FAILED, State.WARNING) if counts[state]]
    told = f" ({', '.join(wrong)})" if wrong else ""
    return f"verdict: {'healthy' if report.healthy else 'not healthy'}{told}"
