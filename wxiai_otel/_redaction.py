"""What must not leave the process: in log records, labels, notifications, and in spans' events, status and links.

Spans' attributes have no literal, argument or query string to begin with. A text has what the application has put
there, so this is a search for what secrets look like, and no promise. The Collector's redaction has the same kinds
once more.
"""

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from ._database_errors import reduced

MASK = "****"

# Numbers have no word: one is put to the text where it has as many digits in a row as the shortest of them.
_NUMBER = ("\0number",)
_DIGITS = re.compile(r"[0-9]{11}")

# Values of attributes with longer names are masked.
_MAX_NAME = 1_024
# Default maximum length of a text: no sink accepts a longer one.
MAX_TEXT = 65_536
# Characters read beyond the cut and not shown: a secret that is cut in two is not recognized. The longest one that is
# recognized only as a whole is a mail address, with 345 characters.
MARGIN = 512

# Every pattern takes linear time: nothing before the telling character may be repeated without limit, and `\s` may not
# cross lines. `scripts/lint` checks all patterns of the package for it.
# user:password@ of a URL
_USER = r"//[^/\s@]{1,256}@"
_QUERY = r"(?<=\S)\?[^\s\"'<>?=]*=[^\s\"'<>]*"
# Each with words of which one is in every text that it finds something in, in small letters: most texts have none of
# them, and to look for words takes a tenth of the time.
_PATTERNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # What SQLAlchemy and PostgreSQL add to an error: the values.
    # (They are told in one line by their repr, but for objects that have one of their own.)
    (r"\[parameters: .*?(?=\n\(Background on this error|\Z)", "[parameters: " + MASK, ("[parameters: ",)),
    (r"(?m)^([^\S\n]*DETAIL:).*$", r"\1 " + MASK, ("detail:",)),
    # The query string of a URL or path.
    (_QUERY, "?" + MASK, ("?",)),
    # before mail addresses
    (_USER, "//" + MASK + "@", ("//",)),
    (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}", MASK, ("@",)),
    (r"(?i)\b(?:bearer|basic|token)\s{1,8}[A-Za-z0-9._~+/=-]{8,}", MASK, ("bearer", "basic", "token")),
    # JSON Web Tokens, and the keys of well-known services
    # (Long ones without a dot too: a text of nothing but their beginnings would take as long as it is, squared.)
    (
        r"\beyJ(?:[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+){0,2}|[A-Za-z0-9_-]{1,15}(?:\.[A-Za-z0-9_-]+){1,2})",
        MASK,
        ("eyj",),
    ),
    (r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}", MASK, ("k-", "k_")),
    (
        (
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
            r"|AKIA[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{35}|LTAI[A-Za-z0-9]{12,})"
        ),
        MASK,
        ("gh", "xox", "akia", "aiza", "ltai"),
    ),
    (
        r"(?i)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
        MASK,
        ("private key",),
    ),
    (
        (
            r"(?i)(password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|authorization)"
            r"(\\*[\"']?\s{0,8}[=:]\s{0,8}\\*[\"']?)[^\s&,;\"'\\]+"
        ),
        r"\1\2" + MASK,
        ("passw", "pwd", "secret", "token", "key", "authorization"),
    ),
    # bank cards, mobile numbers and identity cards
    (
        r"\b(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|3[47][0-9]{13}|62[0-9]{14,17})\b",
        MASK,
        _NUMBER,
    ),
    (r"\b1[3-9][0-9]{9}\b", MASK, _NUMBER),
    (
        r"\b[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]\b",
        MASK,
        _NUMBER,
    ),
)
_COMPILED = tuple(
    (re.compile(pattern, re.DOTALL if "parameters" in pattern else 0), to, words) for pattern, to, words in _PATTERNS
)

# Drivers quote the values of a statement. In a cut text, the last quote may be open.
_QUOTED = re.compile(r"'[^']*'")
_QUOTED_OR_CUT = re.compile(r"'[^']*(?:'|\Z)")

# Values that are secrets whatever they look like.
_NAMES = re.compile(
    r"(?i)(?:password|passwd|secret|authorization|cookie|credential|api[-_.]?key|private[-_.]?key)"
    r"|(?:^|[-_.])(?:token|pwd|dsn)$"
)


def is_secret(name: str) -> bool:
    """Return whether an attribute with this name holds a secret."""
    return len(name) > _MAX_NAME or bool(_NAMES.search(name))


def redacted_attribute(
    name: str, value: Any, *, queries: bool = True, quotes: bool = False, limit: int = MAX_TEXT
) -> Any:
    """Redact an attribute's value, including nested strings.

    Parameters:
        name: The attribute's name. A string is masked entirely if `is_secret` holds for the name.
        value: The attribute's value.
        queries: See `redacted`.
        quotes: See `redacted`.
        limit: Maximum length of each string, in characters. See `redacted`.
    """

    def inner(name: str, value: Any) -> Any:
        return redacted_attribute(name, value, queries=queries, quotes=quotes, limit=limit)

    if isinstance(value, str):
        return MASK if is_secret(name) else redacted(value, queries=queries, quotes=quotes, limit=limit)
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
    words_in = text.casefold() + (_NUMBER[0] if _DIGITS.search(text) else "")
    for pattern, mask, words in _COMPILED:
        if any(word in words_in for word in words) and (queries or pattern.pattern != _QUERY):
            text = pattern.sub(mask, text)
    if may_be_split:
        # A secret that the cut splits is at the end of the text, without a mask: drop the unmasked end.
        ends = zip(before[: -MARGIN - 1 : -1], text[: -MARGIN - 1 : -1], strict=False)
        split = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
        text = text[: len(text) - split]
    return text[:limit]


def without_users(text: str) -> str:
    """Mask users and passwords in URLs: settings hold no other secrets."""
    return re.sub(_USER, f"//{MASK}@", text[:MAX_TEXT])
