"""At every entry point, time is linear in the length of texts made of pieces of our own patterns."""

import json
import logging
import re
import sys
import time
from contextlib import suppress
from re import _constants as sre
from re import _parser as parser
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status, StatusCode

from tests.hostile.internals import (
    HARMLESS,
    RULES,
    Alert,
    LogExport,
    Message,
    Outgoing,
    PayloadError,
    Secret,
    Statements,
    inert_lines,
    json_safe,
    one_line,
    parse,
    payload,
    printable,
    python,
    read,
    redacted,
    redacted_attribute,
    without_literals,
)
from wxiai_otel.alerting.channels import DingTalk, Email, Feishu, WeChat

ENDINGS = ("\0!",)  # no pattern matches these


def patterns():
    """Return the compiled patterns of the package's modules, by name."""
    found = {}

    def collect(name, value):
        if isinstance(value, re.Pattern):
            found.setdefault((value.pattern, value.flags), (name, value))
        elif isinstance(value, tuple | list):
            for item in value:
                collect(name, item)

    for module in [module for name, module in sys.modules.items() if name.startswith("wxiai_otel")]:
        for name, value in vars(module).items():
            collect(f"{module.__name__.removeprefix('wxiai_otel.')}.{name}", value)
    searched = [(rule.name, python(rule)) for rule in RULES]
    searched += [(harmless.name, before) for harmless in HARMLESS for before, _ in harmless.forms]
    for name, pattern in searched:
        collect(f"_secrets.SEARCH {name}", re.compile(pattern))
    collect("_secrets.FORM", [re.compile(form) for rule in RULES for form in rule.value])
    collect("_secrets.FORM", [re.compile(form) for harmless in HARMLESS for _, form in harmless.forms])
    return {f"{name} {number}": value for number, (name, value) in enumerate(found.values())}


def shortest(items):
    """Return a short text that a part of a pattern matches."""
    return "".join(one(kind, value) for kind, value in items)


def one(kind, value):
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.IN:
        letters = (chr(code) for code in (*range(97, 123), *range(32, 127), 10, 9, 0x4E00))
        test = re.compile(class_of(value)).fullmatch
        return next((letter for letter in letters if test(letter)), "")
    if kind in (sre.ANY, sre.NOT_LITERAL):
        return "a" if value != ord("a") else "b"
    if kind is sre.SUBPATTERN:
        return shortest(value[3])
    if kind is sre.ATOMIC_GROUP:
        return shortest(value)
    if kind is sre.BRANCH:
        return shortest(value[1][0])
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return shortest(value[2]) * max(1, min(value[0], 40))
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return shortest(value[1]) if value[0] > 0 and kind is sre.ASSERT else ""
    return ""


def class_of(items):
    text = ""
    for kind, value in items:
        if kind is sre.NEGATE:
            text += "^"
        elif kind is sre.LITERAL:
            text += re.escape(chr(value))
        elif kind is sre.RANGE:
            text += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        else:
            name = str(value).lower().removeprefix("category_")
            letter = name.removeprefix("not_")[0]
            text += "\\" + (letter.upper() if name.startswith("not_") else letter)
    return f"[{text}]"


def each(kind, value):
    """Return some letters of a class, with both kinds of whitespace: within a line and between lines."""
    if kind is not sre.IN:
        return []
    test = re.compile(class_of(value)).fullmatch
    return [letter for letter in "a0A _-\n\t'" if test(letter)]


def pieces(pattern):
    """Return texts for every part of a pattern, for its prefixes, and for adjacent parts."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    found = {}

    def walk(items):
        items = list(items)
        for number in range(len(items)):
            found[shortest(items[number : number + 1])] = None
            found[shortest(items[: number + 1])] = None
        for kind, value in items:
            if kind is sre.SUBPATTERN:
                walk(value[3])
            elif kind is sre.BRANCH:
                for branch in value[1]:
                    walk(branch)
            elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
                walk(value[2])
            found.update(dict.fromkeys(each(kind, value)))

    walk(parser.parse(text, pattern.flags & ~re.UNICODE))
    return [piece for piece in found if piece]


PATTERNS = patterns()
# These read the package's own files.
OF_OUR_FILES = "lay_out._edits"
# These are only tried at the beginning of a text.
AT_THE_BEGINNING = (
    *("_HEADER", "_ADDRESS", "_PREFIX", "_PRINTABLE", "_RANDOM_VALUE", "_COLUMNS", "_BEFORE", "_MAIL"),
    *("_MARGIN", "_GROUP", "_CODED", "_INNER", "_CODE", "_CLASS_AND_CODE", "_CLASS"),
    ".FORM",
)


def seconds(reader, text):
    """Return the CPU time of this thread, which other load does not affect."""
    started = time.thread_time()
    reader(text)
    return time.thread_time() - started


def quadratic(reader, unit, ending, length):
    """Return whether sixteen times the text takes much more than sixteen times as long."""
    small, large = (unit * (size // len(unit)) + ending for size in (length // 16, length))
    # Quadratic time would be 256 times.
    return all(
        (long := seconds(reader, large)) > 0.01 and long > 64 * min(seconds(reader, small) for _ in range(3))
        for _ in range(3)
    )


def reader(name, pattern):
    if name.split()[0].endswith(AT_THE_BEGINNING):
        return lambda text: (pattern.match(text), pattern.fullmatch(text))
    if isinstance(pattern.pattern, bytes):
        return lambda text: sum(1 for _ in pattern.finditer(text.encode()))
    return lambda text: sum(1 for _ in pattern.finditer(text))


@pytest.mark.long
def test_the_time_of_every_pattern_is_linear_in_repetitions():
    assert len(PATTERNS) > 30
    slow = [
        (name, unit)
        for name, pattern in PATTERNS.items()
        if not name.startswith(OF_OUR_FILES)
        for unit in pieces(pattern)
        for ending in ENDINGS
        if quadratic(reader(name, pattern), unit, ending, 16_000)
    ]
    assert slow == []


def alerts(text):
    labels = {"alertname": text, "severity": text, "service": text}
    texts = ("summary", "summary_en", "description", "description_en", "details", "runbook_url")
    alert = {"status": "firing", "labels": labels, "annotations": dict.fromkeys(texts, text)}
    alert["startsAt"] = "2026-01-01T00:00:00Z"
    body = {"alerts": [alert], "commonLabels": labels, "externalURL": f"http://x/{text}", "groupKey": text}
    # A body with more braces than are allowed is refused, in linear time too.
    with suppress(PayloadError):
        parse(json.dumps(body).encode())


def message(text):
    return Message((Alert(text, text, text, text, text, text, labels={"service": text}, details={text: text}),))


def record(text):
    made = logging.LogRecord("app", logging.ERROR, "x.py", 1, text, None, None)
    made.note = text
    translated = LogExport._translated(LOG_EXPORT, made)
    redacted(translated.body, limit=8192)


def span(text):
    said = {"exception.type": text, "exception.message": text, "exception.stacktrace": text}
    made = ReadableSpan(
        text,
        trace.SpanContext(1, 1, is_remote=False),
        attributes={"db.system": "x", "error": text},
        events=[Event("exception", said)],
        status=Status(StatusCode.ERROR, text),
    )
    Outgoing(SimpleNamespace(export=list)).export([made])


LOG_EXPORT = object.__new__(LogExport)
LOG_EXPORT._attributes = ("note",)
URL, SECRET = Secret("http://x"), Secret("")
MAIL = Email("x", 25, "none", "", SECRET, "a@b", ["c@d"])
ENTRANCES = {
    "redaction": redacted,
    "attribute": lambda text: redacted_attribute(text, {text: [text]}),
    "span": span,
    "traceback": lambda text: span(f'Traceback (most recent call last):\n  File "x"\n{text}'),
    "log record": record,
    "label": printable,
    "statement": lambda text: (read(text), without_literals(text), without_literals(text, backslashes=True)),
    "statement behind another": lambda text: Statements(9).of_text(f"SELECT {text}"),
    "markdown": inert_lines,
    "line": lambda text: one_line(text, 200),
    "details": lambda text: json_safe({text: {text: [text]}}),
    "bridge": alerts,
    "dingtalk": lambda text: DingTalk(URL, SECRET).body([message(text)]),
    "wechat": lambda text: WeChat(URL, SECRET).body([message(text)] * 3),
    "feishu": lambda text: Feishu(URL, SECRET).body([message(text)]),
    "mail": lambda text: bytes(MAIL._mail(message(text))),
    "webhook": lambda text: json.dumps(payload(message(text))),
}
UNITS = ["1", "'", '"a"', "](", "<a", "--a\n", "/*", "(", "{", "[a", ",", "a@", "//a", "?a", "eyJ", "k-", "token", "\\"]
UNITS += [
    "\n",
    "\t\n",
    " ",
    "\r",
    "\ud800",
    "\U0001f600",
    "<at>",
    "é",
    "password=",
    "DETAIL:",
    "-----BEGIN ",
    "$a$",
    "1,2x",
    "redis.",
    "redis.X: ",
    "\nredis.X: ",
    "(a.b) ",
    "[SQL: ",
    "new row for",
    "Traceback (most recent call last):\n",
    'Traceback (most recent call last):\n  File "x"\nredis.X: said\n',
]


@pytest.mark.parametrize("name", ENTRANCES)
@pytest.mark.long
def test_the_time_at_every_entry_point_is_linear_in_repetitions(name):
    assert [unit for unit in UNITS if quadratic(ENTRANCES[name], unit, "x DETAIL:", 32_000)] == []
