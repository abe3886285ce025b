"""Text and values in bounds: cut at bytes without breaking a character, and safe for JSON."""

import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from .._database_errors import inline, is_exception, is_reduced, text_of
from .._redaction import MARGIN, MASK, is_secret, redacted

CUT = "…"

# [text](address), **bold**, __bold__, <tag>; and what makes a line more than text.
_TELLING = re.compile(r"\](?=\()|\*(?=\*)|(?<![^\W_])_(?=_)|<(?=[A-Za-z/!?@])")
_STARTS = re.compile(r"(?m)^(?= {4}| {0,3}\t|[^\S\n]*(?:[#>=+*|`~-]|\[[^\]\n]*\]:))")

_MAX_ITEMS = 30
_MAX_DEPTH = 3
_MAX_KEY = 100
_MAX_VALUE = 2_000
_MAX_WHOLE = 2**53  # what every reader of JSON has exactly
_MAX_DETAILS = 16_000
_MAX_WASTE = 16
# Read this many times the length of one line, because blanks and control characters are removed.
_READ_AHEAD = 4


def clean(text: str) -> str:
    """The text without what UTF-8 or a reader cannot have: lone surrogates, control characters.

    Whatever ends a line for some reader is a line's end: Markdown takes a carriage return for one.
    """
    if text.isprintable():
        return text
    text = "\n".join(text.encode("utf-8", "replace").decode().splitlines())
    return "".join(char for char in text if char in "\n\t" or char.isprintable() or (char.isspace() and char > "\x9f"))


def cleaned(text: str, limit: int) -> str:
    """Clean a text and cut it to ``limit`` bytes. The text is cut before it is cleaned."""
    return cut(clean(text[: limit + 1]), limit)


def one_line(value: object, limit: int) -> str:
    """Any value as one line of at most ``limit`` bytes."""
    text = as_text(value)
    read = text[: _READ_AHEAD * limit]
    line = " ".join(clean(read).split())
    return cut(line if len(read) == len(text) else line + CUT, limit)


def safe(text: str, limit: int, name: str = "") -> str:
    """Remove control characters and secrets from a text, cut to ``limit`` characters before any pattern runs.

    Parameters:
        text: Any text.
        limit: Maximum length of the result, in characters.
        name: The name of the label or detail. The text is masked if `is_secret` holds for the name.
    """
    if is_secret(name):
        return MASK
    read = limit + MARGIN
    return redacted(clean(text[:read]), queries=False, limit=limit, was_cut=len(text) > read)


def inert(text: str) -> str:
    """A line that anybody may have written, as Markdown shows it: no link, image, tag or bold of theirs.

    The robots' dialects know no escapes in common, so that what would begin one is set apart by a blank.
    """
    return _TELLING.sub(lambda found: f"{found[0]} ", text)


def inert_lines(text: str) -> str:
    """The same for lines of their own, none of which is a heading, list, quotation, table or definition of theirs."""
    return _STARTS.sub("\u00a0", inert(text))


def as_text(value: object) -> str:
    """Return ``str(value)``, even if the value raises; of an exception no report of a database."""
    if is_exception(value):
        return inline(value) if is_reduced(type(value)) else text_of(value)
    try:
        return value if type(value) is str else str(value)
    except Exception:  # noqa: BLE001 - it is the application's object
        return f"<{type(value).__name__}>"


def cut(text: str, limit: int) -> str:
    """The text in at most ``limit`` bytes of UTF-8; where it was cut it ends with an ellipsis, if that has room."""
    raw = text[: limit + 1].encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    mark = CUT if limit >= len(CUT.encode()) else ""
    return raw[: max(0, limit - len(mark.encode()))].decode("utf-8", "ignore") + mark


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "replace"))


def to_json(value: object) -> bytes:
    """JSON as the robots count it: characters as they are, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fitting(build: Callable[[int], bytes], limit: int) -> bytes:
    """A body of at most ``limit`` bytes.

    Parameters:
        build: Makes the body with a text of at most so many bytes.
        limit: Of the body: what stands around the text counts, and so does what JSON escapes.
    """
    body = build(limit)
    if len(body) <= limit:
        return body
    # Halve the text: proportional steps take thousands of attempts for a text that is slightly too long.
    best = build(0)
    fits, too_much = 0, limit
    while too_much - fits > _MAX_WASTE:
        room = (fits + too_much) // 2
        body = build(room)
        if len(body) <= limit:
            fits, best = room, body
        else:
            too_much = room
    return best


def json_safe(details: Mapping[Any, Any]) -> dict[str, Any]:
    """Convert details for JSON and messages: bounded in number, depth and length, and without secrets."""
    safe: dict[str, Any] = {}
    room = _MAX_DETAILS
    for number, (key, value) in enumerate(details.items()):
        made = _safe(value, 1, as_text(key))
        room -= len(to_json(made))
        if number >= _MAX_ITEMS or room < 0:
            safe[CUT] = f"{len(details) - number} more"
            break
        safe[one_line(key, _MAX_KEY)] = made
    return safe


def _safe(value: object, depth: int, name: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int:
        return value if abs(value) < _MAX_WHOLE else cut(as_text(value), _MAX_VALUE)
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        kept = islice(value.items(), _MAX_ITEMS)
        return {one_line(key, _MAX_KEY): _safe(item, depth + 1, as_text(key)) for key, item in kept}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_safe(item, depth + 1, name) for item in islice(value, _MAX_ITEMS)]
    return cut(safe(as_text(value), _MAX_VALUE + 1, name), _MAX_VALUE)
