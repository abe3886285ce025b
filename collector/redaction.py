"""Writes the redaction of traces.yaml and logs.yaml from the table of secrets: ``scripts/generate``.

It is the second interpreter of the table. The first, `wxiai_otel._redaction`, works in process. As there, a rule runs
only where one of its words is, since the Collector's patterns have to try each character.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from wxiai_otel._secrets import QUERY, RULES, SECRET_NAMES, SHAPES, Rule, re2

from .ottl import quoted

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


def processors() -> dict[str, dict[str, Any]]:
    """Return the processors of each file."""
    masking = {"allow_all_keys": True, "redact_all_types": True, "summary": "silent"}
    return {
        "traces.yaml": {
            "redaction/names": {**masking, "blocked_key_patterns": list(SECRET_NAMES)},
            "transform/secrets": {
                "error_mode": "ignore",
                "trace_statements": [
                    *_marking("^", _MARK),
                    *(_group(name, _OF_SPANS) for name in ("span", "spanevent")),
                ],
            },
            # Marked texts, numbers, and lists and objects, which statements cannot reach into.
            "redaction": {**masking, "allowed_values": [_DONE], "blocked_values": [re2(rule) for rule in _OF_SPANS]},
            "transform/unmarked": {"error_mode": "ignore", "trace_statements": _marking(_MARKED, "")},
        },
        "logs.yaml": {
            "transform/secrets_logs": {
                "error_mode": "ignore",
                "log_statements": [*_marking("^", _MARK), _group("log", RULES)],
            },
            "transform/unmarked_logs": {"error_mode": "ignore", "log_statements": _marking(_MARKED, "")},
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


def _group(context: str, rules: tuple[Rule, ...]) -> dict[str, Any]:
    return {"context": context, "statements": list(_statements(context, rules))}


def _statements(context: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    """Yield the statements for the attributes of a context, and for the body of log records."""
    text, attributes = f'{context}.cache["text"]', f"{context}.attributes"
    has_body = context == "log"
    read = f'Concat([String({attributes}), String(log.body)], " ")' if has_body else f"String({attributes})"
    yield f"set({text}, ToLowerCase({read}))"
    flags = {words: f'{context}.cache["{number}"]' for number, words in enumerate({rule.words: 0 for rule in rules})}
    for words, flag in flags.items():
        yield f"set({flag}, true) where {' or '.join(_contains(text, word) for word in words)}"
    if has_body:
        # An object may have secrets that only its names tell.
        found = " or ".join(f"{flag} == true" for flag in flags.values())
        yield f"set(log.body, String(log.body)) where not IsString(log.body) and ({found})"
    for rule in rules:
        pattern, kept = _capturing(rule)
        arguments = f"{quoted(pattern)}, {quoted(kept)}) where {flags[rule.words]} == true"
        yield f'replace_all_patterns({attributes}, "value", {arguments}'
        if has_body:
            yield f"replace_pattern(log.body, {arguments}"


def _contains(text: str, word: str) -> str:
    if word in SHAPES:
        return f"IsMatch({text}, {quoted(SHAPES[word])})"
    return f"Index({text}, {quoted(word.lower())}) >= 0"


def _capturing(rule: Rule) -> tuple[str, str]:
    """Return the pattern with a group for each part that is kept, and the replacement."""
    pattern = re2(rule, captured=True)
    groups = re.compile(pattern.replace(r"\z", r"\Z")).groups
    masked_after = groups - bool(rule.after.re2)
    kept = [f"${{{number}}}" for number in range(1, groups + 1)]
    return pattern, "".join((*kept[:masked_after], "****", *kept[masked_after:]))


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
