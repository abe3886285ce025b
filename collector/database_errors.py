"""The Collector's reduction of database errors, for the spans and log records of other SDKs.

It searches for the classes and phrases of `wxiai_otel._database_errors`, in texts only: no exception is at hand here.
"""

import re
from typing import Any

from wxiai_otel._database_errors._classes import FIXED, LIBRARIES, NAMES
from wxiai_otel._database_errors._phrases import PHRASES
from wxiai_otel._database_errors._texts import WORDS

from .ottl import group, quoted

MASK = "****"
# RE2 has no lookahead. These mark a class whose message stays: one replaces the blank after it, one precedes "(".
_STAYS, _CALL_STAYS = "\u241e", "\u241f"

_CLASS = rf"(?:(?:{'|'.join(map(re.escape, LIBRARIES))})(?:\.\w+)*\.[A-Z]\w*|(?:\w+\.)*(?:{'|'.join(NAMES)}))"
_FIXED = "|".join(map(re.escape, sorted(FIXED)))
_CODE = r"(?:\([\w.<>]+\) )?(?:SQLSTATE [0-9A-Z]{5}|code -?[0-9]{1,9}|[A-Z]{3}-[0-9]{4,5}|\*{4})"
_SHAPED = r"\([A-Za-z_]\w*(?:\.\w+)+\)"
_STATEMENT = r"\s?\[(?:SQL|parameters): "
_PHRASES = "|".join(pattern for pattern, _ in PHRASES)
_TITLE = r"Traceback \(most recent call last\)"
# The end of a message in a traceback, of Python or Java: the next exception, or the end of the text.
_END = (
    r"(\n[ |]*\n[ |]*(?:The above exception was the direct cause|During handling of the above exception)[^\n]*\n"
    r"|\n *\+[-+]{16}|\n\s+at |\nCaused by: |\z)"
)
# The beginning of a line that is no frame: frames and their source are indented.
_LINE = r"(?ms)^((?: *\| )?(?:[^\s|][^\n]*?)?"

_KEPT = (
    (rf"({_FIXED}):\s", f"$1:{_STAYS}"),
    (rf"({_CLASS})(\(['\"]{_CODE})", f"$1{_CALL_STAYS}$2"),
    (rf"((?:{_CLASS})(?:'>)?[:)]) ({_CODE})", f"$1{_STAYS}$2"),
    (rf"(\({_CLASS}\)) ({_CODE})", f"$1{_STAYS}$2"),
)
_IN_TEXT = (
    (rf"(?s)(^|[^\w.]|\\[nrt])({_CLASS}(?:'>)?[:)])\s(\([\w.<>]+\) )?.*$", f"$1$2 ${{3}}{MASK}"),
    (rf"(?s)(^|[^\w.]|\\[nrt])({_CLASS})\(.*$", f"$1$2: {MASK}"),
    (rf"(?s)({_SHAPED})\s.*?\[SQL: .*$", f"$1 {MASK}"),
    (rf"(?s){_STATEMENT}.*$", f" {MASK}"),
    (rf"(?s)(?:{_PHRASES}).*$", MASK),
)
_IN_TRACEBACK = (
    (rf"{_LINE}\b{_CLASS}(?:'>)?[:)])\s(\([\w.<>]+\) )?.*?{_END}", f"$1 ${{2}}{MASK}$3"),
    (rf"{_LINE}\b{_CLASS})\(.*?{_END}", f"$1: {MASK}$2"),
    (rf"{_LINE}{_SHAPED})\s.*?\[SQL: .*?{_END}", f"$1 {MASK}$2"),
    (rf"{_LINE}){_STATEMENT}.*?{_END}", f"$1 {MASK}$2"),
    (rf"{_LINE})(?:{_PHRASES}).*?{_END}", f"$1{MASK}$2"),
)
_BACK = ((_STAYS, " "), (_CALL_STAYS, ""))
# In every text that is changed, also in JSON: this pattern takes a tenth of the time of the others.
_WORDS = "|".join(re.escape(word).replace('"', r"\\?\"") for word in WORDS)


def reduction() -> dict[str, Any]:
    """Return the transform processor."""
    body, failed = "log.body", "span.status.code == STATUS_CODE_ERROR"
    return {
        "error_mode": "ignore",
        # Exceptions go first: their messages are compared with the texts that may repeat them.
        "trace_statements": [
            group(
                "spanevent",
                [*_message("spanevent", "span.status.message"), *_attributes("spanevent")],
                _may_report("spanevent.attributes"),
            ),
            group("span", [*_in("span.status.message", _IN_TEXT), *_in_values("span.attributes")], failed),
        ],
        "log_statements": [
            group("log", [*_message("log", body), *_attributes("log")], _may_report("log.attributes")),
            *(
                group(
                    "log",
                    _in(body, patterns),
                    f"IsString({body}) and {_may_report(body)} and {kind}IsMatch({body}, {quoted(_TITLE)})",
                )
                for kind, patterns in (("", _IN_TRACEBACK), ("not ", _IN_TEXT))
            ),
        ],
    }


def _may_report(target: str) -> str:
    return f"IsMatch(String({target}), {quoted(_WORDS)})"


def _in(target: str, patterns: tuple[tuple[str, str], ...]) -> list[str]:
    return [
        f"replace_pattern({target}, {quoted(pattern)}, {quoted(text)})" for pattern, text in (*_KEPT, *patterns, *_BACK)
    ]


def _in_values(target: str) -> list[str]:
    return [
        f'replace_all_patterns({target}, "value", {quoted(pattern)}, {quoted(text)})'
        for pattern, text in (*_KEPT, *_IN_TEXT, *_BACK)
    ]


def _message(context: str, repeated: str) -> list[str]:
    """Return the statements for the message of an exception whose class is known, and for a text that repeats it."""
    kind, message = (f'{context}.attributes["exception.{key}"]' for key in ("type", "message"))
    known = (
        f"where IsMatch({kind}, {quoted(f'^{_CLASS}$')}) and not IsMatch({kind}, {quoted(f'^(?:{_FIXED})$')}) "
        f"and not IsMatch({message}, {quoted(f'^{_CODE}')})"
    )
    place = f"Index({repeated}, {message})"
    return [
        f'set({repeated}, Concat([Substring({repeated}, 0, {place}), "{MASK}"], "")) {known} and {place} > 0',
        f'set({repeated}, "{MASK}") {known} and {place} == 0',
        rf'replace_pattern({message}, "(?s)^(\\([\\w.<>]+\\) )?.*$", "${{1}}{MASK}") {known}',
    ]


def _attributes(context: str) -> list[str]:
    """Return the statements for all attributes, of which a traceback keeps its frames."""
    stack, kept = f'{context}.attributes["exception.stacktrace"]', f'{context}.cache["stacktrace"]'
    return [
        f"set({kept}, {stack}) where {stack} != nil",
        f'delete_key({context}.attributes, "exception.stacktrace")',
        *_in_values(f"{context}.attributes"),
        *_in(kept, _IN_TRACEBACK),
        f"set({stack}, {kept}) where {kept} != nil",
    ]
