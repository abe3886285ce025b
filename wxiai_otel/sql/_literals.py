"""SQL tokens, and removal of literals from statements."""

import re

# Maximum number of characters of a statement that are read and shown.
MAX_READ = 4_096
MAX_SHOWN = 2_048

# Lists and rows of simple literals in one match.
_ITEM = r"(?:\d++(?:\.\d++)?+(?![\w.$])|'[^'\\]*+'(?!'))"
_LIST = rf"{_ITEM}(?:\s*+(?:\)\s*+,\s*+\(|,)\s*+{_ITEM})++"


# Text shown unchanged, in one match: words and signs that start no literal, comment or placeholder.
_PLAIN = r"(?P<plain>(?:(?![EeNnBbXxUu]&?')[^\W\d][\w$]*+|[\s.,=()<>+*%?!;@~^|&{}\]]++)++) |"
_COMMENTS = "--"
_STRINGS = r"[NnBbXxUu]?&?'(?:[^']++|'')*+(?:'|\Z)"
# MySQL: comments from # on, and from -- with a blank; escapes in all strings, and strings in double quotes.
_MYSQL_COMMENTS = r"--(?=\s|\Z) | \#"
_MYSQL_STRINGS = r"""[NnBbXxUu]?'(?:[^'\\]++|''|\\.)*+(?:'|\\?\Z) | "(?:[^"\\]++|""|\\.)*+(?:"|\\?\Z)"""


def _tokens_of(plain: str, comments: str, strings: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
      (?P<list>{_LIST})
    | {plain}
      (?P<skip>\s+ | (?:{comments})[^\n]* | /\*.*?(?:\*/|\Z))
    | (?P<placeholder>[$:]\d+)
    | (?P<literal>
          [Ee]'(?:[^'\\]++|''|\\.)*+(?:'|\\?\Z)
        | {strings}
        | \$(?P<tag>[A-Za-z_\d]*)\$.*?(?:\$(?P=tag)\$|\Z)
        | 0[xX][\da-fA-F]+
        | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?
      )
    | (?P<quoted>"(?:[^"]++|"")*+(?:"|\Z) | `[^`]*+(?:`|\Z) | \[[^\W\d][\w\ $]*\])
    | (?P<word>[^\W\d][\w$]*)
    | (?P<sign>.)
    """,
        re.VERBOSE | re.DOTALL,
    )


TOKEN = _tokens_of("", _COMMENTS, _STRINGS)
_SHOWN = _tokens_of(_PLAIN, _COMMENTS, _STRINGS)
_MYSQL_SHOWN = _tokens_of(_PLAIN, _MYSQL_COMMENTS, _MYSQL_STRINGS)

# A part of a list, which is one match.
_OF_LIST = re.compile(r"\d+(?:\.\d+)?|'[^']*'")


def without_literals(text: str, *, backslashes: bool = False) -> str:
    """Replace every literal in a statement by ``?`` and cut the result.

    Parameters:
        text: The statement.
        backslashes: Whether the dialect escapes quotes by backslashes and has strings in double quotes (MySQL).
    """
    read_text = text[:MAX_READ]
    shown: list[str] = []
    room = MAX_SHOWN
    for match in (_MYSQL_SHOWN if backslashes else _SHOWN).finditer(read_text):
        kind = match.lastgroup
        part = match.group()
        if kind == "literal":
            part = "?"
        elif kind == "list":
            part = _OF_LIST.sub("?", part)
        elif kind == "skip":
            shown.append(" ")  # a comment may contain literals
            if part.startswith("/*") and part.find("/*", 1) > 0:
                break  # PostgreSQL's comments nest: the rest may belong to this one
            continue
        shown.append(part)
        room -= len(part)
        if room < 0:
            break
    result = "".join(shown).strip()
    if len(text) > MAX_READ or len(result) > MAX_SHOWN:
        return result[:MAX_SHOWN] + "..."
    return result
