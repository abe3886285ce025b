"""Redaction of log records, labels, notifications, and of what spans say, before they leave the process.

It searches texts for what `wxiai_otel._secrets` lists. The Collector searches for the same.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import takewhile
from typing import Any

from ._database_errors import reduced
from ._secrets import HARMLESS, MARK, QUERY, RULES, SECRET_NAMES, SHAPES, USER, Harmless, Rule, one_of, python

MASK = "****"

_TABLE: tuple[Harmless | Rule, ...] = (*HARMLESS, *RULES)

# Values of attributes with longer names are masked.
_MAX_NAME = 1_024
# Default maximum length of a text: no sink accepts a longer one.
MAX_TEXT = 65_536
# Characters read beyond the cut and not shown: a secret that is cut in two is not recognized. The longest one that is
# recognized only as a whole is the user and password of a URL, with 400 characters.
MARGIN = 512
# The shortest integer that can be a mobile number.
_MIN_NUMBER = 10**10

_OPEN = re.compile(r"[bBrRuU]{0,2}(?:\\{0,7}[\"'`]|[“‘「【])")
_CLOSING = str.maketrans("“‘「【", "”’」】", "bBrRuU")


def _shown(kept: str, value: str) -> str:
    """Return what is shown of a match: the mask in the quotes of the value."""
    opening = _OPEN.match(value)
    if opening is None:
        return kept + MASK
    closing = opening[0].translate(_CLOSING)
    return kept + opening[0] + MASK + (closing if value.endswith(closing) else "")


@cache
def _form(pattern: str) -> Callable[[str, int], re.Match[str] | None]:
    compiled = re.compile(pattern)
    return compiled.match


def _marking(harmless: Harmless) -> Callable[[str], str]:
    forms = tuple((re.compile(before), _form(after)) for before, after in harmless.forms)

    def marked(text: str) -> str:
        for before, follows in forms:
            done = 0
            pieces: list[str] = []
            found = before.search(text)
            while found:
                at = found.end()
                if follows(text, at):
                    pieces += (text[done:at], MARK)
                    done = at
                found = before.search(text, at)
            if pieces:
                text = "".join((*pieces, text[done:]))
        return text

    return marked


@cache
def _masking(place: int) -> Callable[[str], str]:
    """Return a function that applies an entry of the table, given its place, to a text."""
    entry = _TABLE[place]
    if isinstance(entry, Harmless):
        return _marking(entry)
    pattern = re.compile(python(entry))
    if not entry.value:

        def replaced(found: re.Match[str]) -> str:
            if is_valid is not None and not is_valid(found[0]):
                return found[0]
            kept = next((group for group in found.groups() if group), "")
            return _shown(kept, found[0][len(kept) :])

        is_valid = entry.is_valid
        return partial(pattern.sub, replaced if pattern.groups or is_valid else MASK)

    forms = tuple(map(_form, entry.value))

    def masked(text: str) -> str:
        done = 0
        shown: list[str] = []
        name = pattern.search(text)
        while name:
            at = name.end()
            # The value of a name may be a name with a value.
            inner = pattern.match(text, at)
            found = None if inner else next(filter(None, (form(text, at) for form in forms)), None)
            if found:
                shown += (text[done : name.start()], _shown(name[0], found[0]))
                done = at = found.end()
            name = inner or pattern.search(text, at)
        return "".join((*shown, text[done:])) if shown else text

    return masked


def compile_patterns() -> None:
    """Compile all patterns of the table. It takes too long for an import, and for the request that first needs one."""
    for place in range(len(_TABLE)):
        _masking(place)


_QUERY_BIT = 1 << _TABLE.index(QUERY)


def _rules_of(word: str) -> int:
    return sum(1 << place for place, entry in enumerate(_TABLE) if word in entry.words)


_WORDS = {word: _rules_of(word) for word in (word for entry in _TABLE for word in entry.words) if word not in SHAPES}
_OTHER = re.compile("|".join(word for word in _WORDS if not word.isascii()))
# The first three letters of the ASCII words: `re` reads a text fastest with sets, and few texts pass all three.
_START = 3
_STARTS: dict[str, list[str]] = {}
for _word in _WORDS:
    if _word.isascii() and len(_word) >= _START:
        _STARTS.setdefault(_word[:_START], []).append(_word)
_SETS = ("".join(sorted({re.escape(start[place]) for start in _STARTS})) for place in range(_START))
_ANY_START = re.compile("".join(f"[{letters}]" for letters in _SETS) + f"(?<={one_of(_STARTS, re.escape)})")
_SHORT = tuple((word, bits) for word, bits in _WORDS.items() if word.isascii() and len(word) < _START)
_SHAPES = tuple((re.compile(pattern), _rules_of(shape)) for shape, pattern in SHAPES.items())


def _rules_for(text: str) -> int:
    """Return the entries that may find something in a text, as bits. Most texts have none of the words."""
    rules = 0
    if text.isascii():
        lowered = text.lower()
    else:
        for word in _OTHER.findall(text):
            rules |= _WORDS[word]
        # Only ASCII letters have to be in lower case. Words that this joins are found in vain.
        lowered = text.encode("ascii", "ignore").decode().lower()
    for word, bits in _SHORT:
        if word in lowered:
            rules |= bits
    found = _ANY_START.search(lowered)
    while found:
        start = found.start()
        for word in _STARTS[found[0]]:
            if lowered.startswith(word, start):
                rules |= _WORDS[word]
        # From the next character: words may overlap.
        found = _ANY_START.search(lowered, start + 1)
    for pattern, bits in _SHAPES:
        if pattern.search(text):
            rules |= bits
    return rules


# Drivers quote the values of a statement. In a cut text, the last quote may be open.
_QUOTED = re.compile(r"'[^']*'")
_QUOTED_OR_CUT = re.compile(r"'[^']*(?:'|\Z)")

_NAMES = tuple(re.compile(pattern) for pattern in SECRET_NAMES)


def is_secret(name: str) -> bool:
    """Return whether an attribute with this name holds a secret."""
    return len(name) > _MAX_NAME or any(pattern.search(name) for pattern in _NAMES)


def redacted_attribute(
    name: str, value: Any, *, queries: bool = True, quotes: bool = False, limit: int = MAX_TEXT
) -> Any:
    """Redact an attribute's value, including nested strings.

    Parameters:
        name: The attribute's name. Any value but a truth value is masked entirely if `is_secret` holds for the name.
        value: The attribute's value.
        queries: See `redacted`.
        quotes: See `redacted`.
        limit: Maximum length of each string, in characters. See `redacted`.
    """

    def inner(name: str, value: Any) -> Any:
        return redacted_attribute(name, value, queries=queries, quotes=quotes, limit=limit)

    if value is None or isinstance(value, bool):
        return value
    if is_secret(name):
        return MASK
    if isinstance(value, str):
        return redacted(value, queries=queries, quotes=quotes, limit=limit)
    if isinstance(value, int):
        # A number of a person, or an integer as it is.
        return value if value < _MIN_NUMBER or redacted(text := str(value)) == text else MASK
    if isinstance(value, Mapping):
        return {key: inner(str(key), item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [inner(name, item) for item in value]
    return value


def redacted(
    text: str, *, queries: bool = True, quotes: bool = False, limit: int = MAX_TEXT, was_cut: bool = False
) -> str:
    """Cut a text to its final length and mask everything in it that looks like a secret.

    The text is cut before any pattern runs. A secret that a cut splits is not shown. A text of at least
    ``limit + MARGIN`` characters counts as cut, even if the caller cut it.

    Parameters:
        text: Any text.
        queries: Whether to mask the query strings of URLs. Notifications keep them, because readers follow the links.
        quotes: Whether to replace text in single quotes by a question mark, for the messages of database drivers.
        limit: Maximum length of the result, in characters.
        was_cut: Whether the text counts as cut at any length, because it was cut and then shortened.
    """
    may_be_split = was_cut or len(text) >= limit + MARGIN
    read = text[: limit + MARGIN]
    text = before = reduced(read)
    may_be_split = may_be_split and read[-16:] == text[-16:]  # else the cut is in what was removed
    if quotes:
        text = (_QUOTED_OR_CUT if may_be_split else _QUOTED).sub("?", text)
    if rules := _rules_for(text) & (-1 if queries else ~_QUERY_BIT):
        for place in range(len(_TABLE)):
            if rules >> place & 1:
                text = _masking(place)(text)
        if MARK in text:
            text = text.replace(MARK, "")
    if may_be_split:
        # A secret that the cut splits is at the end of the text, without a mask: drop the unmasked end.
        ends = zip(before[: -MARGIN - 1 : -1], text[: -MARGIN - 1 : -1], strict=False)
        split = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
        text = text[: len(text) - split]
    return text[:limit]


def without_users(text: str) -> str:
    """Mask users and passwords in URLs: settings hold no other secrets."""
    return _masking(_TABLE.index(USER))(text[:MAX_TEXT])
