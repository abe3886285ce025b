"""The tokens of SQL text, and what a statement looks like without its literals."""

import re

# Characters of a statement that are read, and that are shown.
MAX_READ = 4_096
MAX_SHOWN = 2_048

# Literals and rows of them in one match, each of which ends where it seems to.
_ITEM = r"(?:\d++(?:\.\d++)?+(?![\w.$])|'[^'\\]*+'(?!'))"
_LIST = rf"{_ITEM}(?:\s*+(?:\)\s*+,\s*+\(|,)\s*+{_ITEM})++"


# What is shown as it is, in one match: words and signs that begin no literal, comment or placeholder.
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
    """Return the statement with every literal as ``?``, and bounded in length.

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
            shown.append(" ")  # a comment may hold anything
            if part.startswith("/*") and part.find("/*", 1) > 0:
                break  # PostgreSQL's nest: what follows may belong to it
            continue
        shown.append(part)
        room -= len(part)
        if room < 0:
            break
    result = "".join(shown).strip()
    if len(text) > MAX_READ or len(result) > MAX_SHOWN:
        return result[:MAX_SHOWN] + "..."
    return result
