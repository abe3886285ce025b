"""Writes the redaction of traces.yaml and logs.yaml from the table of secrets: ``scripts/generate``.

It is the second interpreter of the table. The first, `wxiai_otel._redaction`, works in process. As there, a rule runs
only where one of its words is, since the Collector's patterns have to try each character.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from wxiai_otel._secrets import HARMLESS, MARK, QUERY, RULES, SECRET_NAMES, SHAPES, Harmless, Rule, for_re2, re2

from .ottl import group, quoted

_FOLDER = Path(__file__).parent
_BEGIN = "  # Written by scripts/generate from wxiai_otel/_secrets, down to the next blank line: change it there.\n"
_WRITTEN = re.compile(re.escape(_BEGIN) + r"(?:[^\n]+\n)*")
# Query strings of spans are left: `capture_query` decides in the process.
_OF_SPANS = tuple(rule for rule in RULES if rule is not QUERY)
# Statements for each kind of attributes would make a file that is too long for a ConfigMap. The few texts of resources
# and scopes are marked, so that the redaction processor reads them.
_MARK = "[redaction] "
_MARKED = r"^\[redaction\]? ?"
# Texts, which the statements before have redacted, and numbers with few digits.
_DONE = r"^[^\[{0-9]|^[0-9]{1,10}$|^[0-9]+[^0-9]|^$"

_CONTROLS = {ord("\v"): r"\v", ord("\f"): r"\f"}
_BODY = 'log.attributes["redaction.body"]'

# Names that hold no secret, of most attributes: the processor reads a name against the patterns in 1 to 2 us.
_PLAIN_NAMES = (
    "client.address client.port code.function.name db.collection.name db.namespace db.operation.name db.query.summary"
    " db.query.text db.response.status_code db.system.name error.type exception.message exception.stacktrace"
    " exception.type http.request.method http.response.status_code http.route network.peer.address network.peer.port"
    " network.protocol.name network.protocol.version redaction.name redaction.status server.address server.port"
    " service.instance.id service.name service.namespace service.version telemetry.sdk.language telemetry.sdk.name"
    " telemetry.sdk.version url.full url.path url.scheme user_agent.original"
).split()


def processors() -> dict[str, dict[str, Any]]:
    """Return the processors of each file."""
    masking = {"allow_all_keys": True, "redact_all_types": True, "summary": "silent"}
    return {
        "traces.yaml": {
            "redaction/names": {**masking, "ignored_keys": _PLAIN_NAMES, "blocked_key_patterns": list(SECRET_NAMES)},
            "transform/secrets": {
                "error_mode": "ignore",
                "trace_statements": [
                    *_marking("^", _MARK),
                    *(_masking_in(name, _OF_SPANS) for name in ("span", "spanevent")),
                ],
            },
            # Marked texts, numbers, and lists and objects, which statements cannot reach into.
            "redaction": {**masking, "allowed_values": [_DONE], "blocked_values": [re2(rule) for rule in _OF_SPANS]},
            "transform/unmarked": {
                "error_mode": "ignore",
                "trace_statements": [*_marking(_MARKED, ""), *map(_unmarking, ("span", "spanevent"))],
            },
        },
        "logs.yaml": {
            "transform/secrets_logs": {
                "error_mode": "ignore",
                "log_statements": [*_marking("^", _MARK), _masking_in("log", RULES)],
            },
            "transform/unmarked_logs": {
                "error_mode": "ignore",
                "log_statements": [
                    *_marking(_MARKED, ""),
                    _unmarking("log", f'replace_pattern(log.body, {_escaped(MARK)}, "")'),
                ],
            },
        },
    }


def _marking(pattern: str, replacement: str) -> list[dict[str, Any]]:
    return [
        {
            "context": context,
            "statements": [
                f'replace_all_patterns({context}.attributes, "value", {quoted(pattern)}, {quoted(replacement)})'
            ],
        }
        for context in ("resource", "scope")
    ]


def _masking_in(context: str, rules: tuple[Rule, ...]) -> dict[str, Any]:
    return group(context, list(_statements(context, rules)))


def _statements(context: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    """Yield the statements for the attributes of a context. The body of a log record is one of them meanwhile."""
    text, attributes = f'{context}.cache["text"]', f"{context}.attributes"
    has_body = context == "log"
    values = f"[Values({attributes}), log.body]" if has_body else f"Values({attributes})"
    yield f"set({text}, ToLowerCase(String({values})))"
    if has_body:
        # A list of OTTL cannot have an object in it.
        values = f'Concat([String(Values({attributes})), String(log.body)], " ")'
        yield f"set({text}, ToLowerCase({values})) where not IsString(log.body)"
    flags: dict[tuple[str, ...], str] = {}
    for words in sorted(dict.fromkeys((*(one.words for one in HARMLESS), *(one.words for one in rules)), 0), key=len):
        flags[words] = f'{context}.cache["{len(flags)}"]'
        yield f"set({flags[words]}, true) where {' or '.join(_conditions(text, words, flags))}"
    if has_body:
        # An object may have secrets that only its names tell.
        found = " or ".join(f"{flag} == true" for flag in flags.values())
        yield f"set({_BODY}, String(log.body)) where {found}"
    for words, pattern, replacement in (*map(_marking_of, HARMLESS), *map(_masking_of, rules)):
        yield _replacing(attributes, pattern, replacement) + f" where {flags[words]} == true"
    if has_body:
        yield f"set(log.body, {_BODY}) where {found}"
        yield 'delete_key(log.attributes, "redaction.body")'


def _unmarking(context: str, *more: str) -> dict[str, Any]:
    return group(context, [_replacing(f"{context}.attributes", MARK, ""), *more])


def _replacing(attributes: str, pattern: str, replacement: str) -> str:
    return f'replace_all_patterns({attributes}, "value", {_escaped(pattern)}, {_escaped(replacement)})'


def _conditions(text: str, words: tuple[str, ...], flags: dict[tuple[str, ...], str]) -> Iterator[str]:
    """Yield conditions of which one holds if a text has one of the words. Flags that are set take fewest searches."""
    rest = set(words)
    for known, flag in reversed(flags.items()):
        if known != words and rest.issuperset(known):
            rest.difference_update(known)
            yield f"{flag} == true"
    yield from (_contains(text, word) for word in words if word in rest)


def _contains(text: str, word: str) -> str:
    if word in SHAPES:
        return f"IsMatch({text}, {quoted(SHAPES[word])})"
    # The text is JSON, which escapes `<` too.
    escaped = json.dumps(word.lower(), ensure_ascii=False)[1:-1].replace("<", r"\u003c")
    return f"Index({text}, {quoted(escaped)}) >= 0"


def _escaped(text: str) -> str:
    return quoted(text).translate(_CONTROLS)


def _marking_of(harmless: Harmless) -> tuple[tuple[str, ...], str, str]:
    """Return words, the pattern of all forms, and the replacement that puts in the mark."""
    pattern = "|".join(f"({before})({after})" for before, after in harmless.forms)
    before, after = (
        "".join(f"${{{number}}}" for number in range(first, 2 * len(harmless.forms) + 1, 2)) for first in (1, 2)
    )
    return harmless.words, for_re2(pattern), before + MARK + after


def _masking_of(rule: Rule) -> tuple[tuple[str, ...], str, str]:
    """Return words, the pattern with a group for each part that is kept, and the replacement."""
    pattern = re2(rule, captured=True)
    groups = re.compile(pattern.replace(r"\z", r"\Z")).groups
    masked_after = groups - bool(rule.after.re2)
    kept = [f"${{{number}}}" for number in range(1, groups + 1)]
    return rule.words, pattern, "".join((*kept[:masked_after], "****", *kept[masked_after:]))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # it comes without types
    """A dumper that indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the signature of the base class
        super().increase_indent(flow, False)


def files() -> dict[Path, str]:
    """Return the files with redaction, and their text."""
    return {
        path: _WRITTEN.sub(_written(made).replace("\\", r"\\"), path.read_text())
        for name, made in processors().items()
        if (path := _FOLDER / name)
    }


def _written(made: dict[str, Any]) -> str:
    dumped = yaml.dump(made, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    # The Collector reads $ as the beginning of a variable.
    return _BEGIN + "".join(f"  {line}\n" for line in dumped.replace("$", "$$").splitlines())


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
