"""Reduction of texts that may contain the message of a database error, in linear time."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ._classes import LIBRARIES, MASK, NAMES, code_of_class, is_report
from ._phrases import PHRASES

# Longer messages of drivers are recognized in other texts by their beginning. What follows it is dropped.
_MAX_NEEDLE = 512
_MIN_NEEDLE = 6
_MAX_LINES = 32
_MAX_NEEDLES = 128

_START = "Traceback (most recent call last):"
_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_MESSAGE, _STACKTRACE = "exception.message", "exception.stacktrace"
_MARGINS = ("  | ", "    | ", "      | ")
_MARGIN = re.compile(r" *[|+] |")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# The lines around the exceptions of a group.
_GROUP = re.compile(r" *(?:\+-)?\+-{16} (?:[0-9]{1,3}|\.\.\.) -{16}| *\+-{36}")

# A class and what stands between it and the message: `Class: `, `(Class) `, `<class 'Class'>: ` or `Class(`.
_LIBRARY, _ANY = "|".join(map(re.escape, LIBRARIES)), "|".join(NAMES)
_NAMED = re.compile(
    rf"(?:(?<![\w.])|\\[nrt])((?:{_LIBRARY})(?:\.\w+){{0,8}}\.[A-Z]\w*|(?:\w+\.){{0,8}}(?:{_ANY}))"
    r"(?:'>)?(?:[:)]\s|\(['\"]|(?=\())",
    re.ASCII,
)
_HEADER = re.compile(r"(?: *[|] )?([A-Za-z_][\w.<>]*):(?:\s|\Z)")
# How SQLAlchemy writes an exception that a statement caused, e.g. one of a type of the application.
_SHAPED = re.compile(r"\([A-Za-z_]\w*(?:\.\w+)+\) ")
_STATEMENT = re.compile(r"\s?\[(?:SQL|parameters)(?:: | parameters hidden)")
_CODED = re.compile(r"(?:\([\w.<>]+\) )?(?:SQLSTATE [0-9A-Z]{5}|code -?[0-9]{1,9}|[A-Z]{3}-[0-9]{4,5}|\*{4})(?![\w:])")
_CODED_END = re.compile(r"(?:SQLSTATE [0-9A-Z]{5}|code -?[0-9]{1,9}|[A-Z]{3}-[0-9]{4,5}|\*{4})\Z")
# The driver's message within that of a wrapper, and the class that SQLAlchemy's adapter of asyncpg puts before it.
_WRAPPED = re.compile(r"\(([A-Za-z_]\w*(?:\.\w+)+)\) (?=[^\n])")
_CLASS = re.compile(r"\A<class '[\w.]+'>: ")
_INNER = re.compile(r"\(([A-Za-z_][\w.<>]*)\) ")
_CODE = re.compile(
    r"(?:<class '(?P<cls>[\w.]+)'>: )?(?:\((?P<number>[0-9]{4}), |(?P<connector>[0-9]{4}) \([0-9A-Z]{5}\): "
    r"|\('(?P<state>[0-9A-Z]{5})', |(?P<oracle>(?:ORA|DPY|DPI)-[0-9]{4,5})\b|E(?P<mongo>[0-9]{5}) )?"
)
_COMPILED = tuple((re.compile(pattern, re.ASCII), words) for pattern, words in PHRASES)
# Each text that is changed has one of them. To look for words takes a tenth of the time of the patterns.
_ALL_WORDS = (*LIBRARIES, *NAMES, "[SQL: ", "[parameters: ", *(word for _, words in PHRASES for word in words))
WORDS = tuple(
    word for word in dict.fromkeys(_ALL_WORDS) if not any(other in word for other in _ALL_WORDS if other != word)
)
_WORDS = (*WORDS, _START)


def may_report(text: str) -> bool:
    """Return whether `Reduction.reduce` may change a text if it has learned nothing."""
    if " " not in text and "(" not in text and text.isascii():  # as in most attributes of spans
        return False
    for word in _WORDS:  # noqa: SIM110 - `any` takes twice the time
        if word in text:
            return True
    return False


class Reduction:
    """Removes messages of databases from texts that belong together, e.g. all texts of a span."""

    __slots__ = ("_beginnings", "_lines", "_messages")

    def __init__(self) -> None:
        self._messages: dict[str, str] = {}
        self._beginnings: dict[str, str] = {}
        self._lines: set[str] = set()

    def learn(self, message: str, replacement: str, *, is_whole: bool = True) -> None:
        """Replace a driver's message in all texts from now on, also in a ``repr``, in JSON or line by line.

        Parameters:
            message: The driver's message or its beginning.
            replacement: The text in its place.
            is_whole: Whether the message is complete. If not, everything behind it is removed.
        """
        message = message.strip()
        if len(message) < _MIN_NEEDLE or len(self._beginnings) > _MAX_NEEDLES or _CODED.fullmatch(message):
            return
        is_whole = is_whole and len(message) < _MAX_NEEDLE
        message = message[:_MAX_NEEDLE]
        for form in dict.fromkeys(_forms(message)):
            if is_whole:
                self._messages[form] = replacement
            beginning = form.partition("\\n")[0].partition("\n")[0].strip()
            for text in (beginning, form[: _MAX_NEEDLE // 2]):
                if len(text) >= _MIN_NEEDLE:
                    self._beginnings.setdefault(text, replacement)
        for line in message.splitlines()[1:_MAX_LINES] if len(self._lines) < _MAX_NEEDLES else ():
            if len(line.strip()) >= _MIN_NEEDLE:
                self._lines.update(_forms(line.strip()))

    def learn_from_event(self, attributes: Mapping[str, Any]) -> None:
        """Learn the messages of database errors from the attributes of an exception (``exception.*``)."""
        name, said, stacktrace = (attributes.get(f"exception.{key}") for key in ("type", "message", "stacktrace"))
        if isinstance(said, str):
            if isinstance(name, str) and is_report(name):
                self._learn_said(said, name)
            elif (wrapped := _WRAPPED.search(said)) is not None:
                self._learn_said(said[wrapped.start() :].partition("\n[SQL: ")[0], wrapped[1])
        for is_message, piece in _pieces(stacktrace) if isinstance(stacktrace, str) else ():
            header = _database_header(piece) if is_message else None
            if header is not None:
                margin = _MARGIN.match(piece)
                said = piece[header.end() :].replace(f"\n{margin[0] if margin else ''}", "\n")
                self._learn_said(said, header[1], is_whole=False)

    def _learn_said(self, said: str, name: str, *, is_whole: bool = True) -> None:
        if _CODED.match(said):
            return
        inner, summary = _INNER.match(said), _summary(said, name)
        self.learn(said, summary if inner is not None else f"({name}) {summary}", is_whole=is_whole)
        if inner is not None:
            drivers = said[inner.end() :].partition("\n[SQL: ")[0]
            self.learn(drivers, summary, is_whole=is_whole)
            self.learn(_CLASS.sub("", drivers, 1), summary, is_whole=is_whole)

    def reduce_event(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes without messages of databases."""
        reduced = {key: self._reduced_value(value, key) for key, value in attributes.items()}
        name, said = attributes.get("exception.type"), attributes.get(_MESSAGE)
        if isinstance(name, str) and isinstance(said, str) and is_report(name) and not _CODED.match(said):
            reduced[_MESSAGE] = _summary(said, name)
        return reduced

    def reduce(self, text: str, *, is_stacktrace: bool = False) -> str:
        """Return a text without messages of databases.

        Parameters:
            text: Any text.
            is_stacktrace: Whether the text is a traceback. In other texts, frames are kept if no report precedes them.
        """
        if not self._messages and not self._beginnings and not may_report(text):
            return text
        for message, replacement in _longest(self._messages):
            if message in text:
                text = text.replace(message, replacement)
            if "\n" in message and "\n  | " in text:
                for margin in _MARGINS:
                    text = text.replace(message.replace("\n", f"\n{margin}"), replacement)
        if not is_stacktrace:
            # What looks like a traceback after a report may be a part of it.
            beginning = text.partition(_START)[0]
            if len(beginning) == len(text) or self._reduced(beginning) != beginning:
                return self._reduced(text)
        return "".join(self._reduced(piece) if is_message else piece for is_message, piece in _pieces(text))

    def _reduced_value(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self.reduce(value, is_stacktrace=key == _STACKTRACE)
        if isinstance(value, list | tuple):
            return [self._reduced_value(item, key) for item in value]
        return value

    def _reduced(self, piece: str) -> str:
        text = piece
        header = _database_header(text)
        if header is not None:
            name, said = text[: header.end()], text[header.end() :].removeprefix(f"({header[1]}) ")
            text = name + said
            if not _CODED.match(said):
                return _ended(name + _summary(said, header[1]), piece)
        for beginning, replacement in _longest(self._beginnings):
            if (start := text.find(beginning)) >= 0:
                text = text[:start] + replacement
        text = _without_reports(text)
        for line in self._lines:
            text = text.replace(line, MASK)
        return _ended(text, piece)


def _forms(text: str) -> tuple[str, ...]:
    return text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _longest(needles: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(needles.items(), key=lambda item: -len(item[0]))


def _ended(text: str, original: str) -> str:
    """End a line as it was."""
    return text + "\n" if original.endswith("\n") and not text.endswith("\n") else text


def _without_reports(text: str) -> str:
    """Cut a message before the first report of a database."""
    end, replacement = len(text), ""
    for found in _NAMED.finditer(text):
        if is_report(found[1]) and not _CODED.match(text, found.end()):
            end = found.end()
            replacement = ("" if end > found.end(1) else ": ") + _summary(text[end:], found[1])
            break
    statement = _STATEMENT.search(text, 0, end)
    if statement is not None:
        shaped = next(
            (one for one in _SHAPED.finditer(text, 0, statement.start()) if not _CODED.match(text, one.start())), None
        )
        end = shaped.end() if shaped is not None else statement.start()
        replacement = MASK if shaped is not None else "" if _CODED_END.search(text, 0, end) else f" {MASK}"
    for pattern, words in _COMPILED:
        phrase = pattern.search(text, 0, end) if any(word in text for word in words) else None
        if phrase is not None:
            end = phrase.start()
            replacement = _code(text[end:], "")
    return text[:end] + replacement if end < len(text) or replacement else text


def _database_header(text: str) -> re.Match[str] | None:
    """Match the beginning of the message of a database error in a traceback: its class."""
    found = _HEADER.match(text)
    return found if found is not None and is_report(found[1]) else None


def _summary(said: str, name: str) -> str:
    """Return what is left of a message: the driver's class if SQLAlchemy names it, and the code."""
    inner = _INNER.match(said)
    return f"({inner[1]}) {_code(said[inner.end() :], inner[1])}" if inner is not None else _code(said, name)


def _code(said: str, name: str) -> str:
    found = _CODE.match(said)
    known = found.groupdict() if found is not None else {}
    if number := known.get("number") or known.get("connector") or known.get("mongo"):
        return f"code {number}"
    if state := known.get("state"):
        return f"SQLSTATE {state}"
    return known.get("oracle") or code_of_class(known.get("cls") or name) or MASK


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the pieces of a text in order: whether each is a message, or frames and what stands between messages."""
    if _START not in text:
        yield True, text
        return
    lines = _LINE.findall(text)
    start, is_message = 0, True
    # What the lines of the current frames begin with; and the number of the line at which others may begin. A message
    # may hold any text: only the first frames, and those after a line between exceptions, are frames.
    margin: str | None = None
    next_start: int | None = None
    for number, line in enumerate(lines):
        was, is_message = is_message, True
        if margin is not None and line.startswith(f"{margin}  "):
            is_message = False
        elif next_start in (None, number) and (opened := _margin_of_frames(lines, number)) is not None:
            margin, next_start = opened, -1
            is_message = not _is_title(line)
        elif _GROUP.fullmatch(line.rstrip()):
            margin, next_start, is_message = None, number + 1, False
        else:
            margin = None
            if _is_chain(lines, number + 1):
                next_start = number + 3
            is_message = not any(_is_chain(lines, number + offset) for offset in (-1, 0, 1))
        if was != is_message:
            yield was, "".join(lines[start:number])
            start = number
    yield is_message, "".join(lines[start:])


def _margin_of_frames(lines: list[str], number: int) -> str | None:
    """Return what the lines of frames begin with if a line is their title, else ``None``."""
    line = lines[number]
    if not line.rstrip().endswith(_START) or number + 1 == len(lines):
        return None
    found = _MARGIN.match(line)
    margin = found[0].replace("+", "|") if found is not None else ""
    return margin if lines[number + 1].startswith(f'{margin}  File "') else None


def _is_chain(lines: list[str], number: int) -> bool:
    """Return whether a line is the one between two tracebacks, with blank lines around it."""
    if not 0 < number < len(lines) - 2 or lines[number].strip(" |\n") not in _CHAINED:
        return False
    before, after = (lines[number + offset].strip(" |\n") for offset in (-1, 1))
    return not before and not after and _is_title(lines[number + 2])


def _is_title(line: str) -> bool:
    return line.strip(" |+\n") in (_START, f"Exception Group {_START}")
