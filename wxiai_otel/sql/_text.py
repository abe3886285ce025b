"""Reading SQL text: which operation it is, which table it names first, and what it looks like without its literals.

A scanner, no parser: it looks at a bounded part of the text, skips comments and literals, follows parentheses, and
knows where a table's name stands. Statements that SQLAlchemy built are read from their constructs instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

UNKNOWN = "unknown"
OTHER = "other"

# What is read of a statement, and what of it is shown.
MAX_READ = 8_192
MAX_SHOWN = 2_048
MAX_NAME = 128

OPERATIONS = frozenset(
    """SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT VALUES TABLE CREATE ALTER DROP TRUNCATE RENAME COMMENT GRANT
    REVOKE BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE END ABORT SET RESET SHOW USE EXPLAIN DESCRIBE PRAGMA COPY LOAD
    CALL DO EXECUTE PREPARE DEALLOCATE DECLARE FETCH MOVE CLOSE VACUUM ANALYZE REINDEX CLUSTER REFRESH OPTIMIZE LOCK
    UNLOCK LISTEN NOTIFY UNLISTEN ATTACH DETACH DISCARD CHECKPOINT KILL FLUSH""".split()
)


def _tokens_of(comments: str, strings: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
      (?P<skip>\s+ | (?:{comments})[^\n]* | /\*.*?(?:\*/|\Z))
    | (?P<placeholder>[$:]\d+)
    | (?P<literal>
          [Ee]'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)
        | {strings}
        | \$(?P<tag>[A-Za-z_\d]*)\$.*?(?:\$(?P=tag)\$|\Z)
        | 0[xX][\da-fA-F]+
        | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?
      )
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) | \[[^\W\d][\w\ $]*\])
    | (?P<word>[^\W\d][\w$]*)
    | (?P<sign>.)
    """,
        re.VERBOSE | re.DOTALL,
    )


_TOKEN = _tokens_of("--", r"[NnBbXxUu]?&?'(?:[^']|'')*(?:'|\Z)")
# MySQL: comments from # on, and from -- with a blank; escapes in all strings, and strings in double quotes.
_MYSQL_TOKEN = _tokens_of(
    r"--(?=\s|\Z) | \#", r"""[NnBbXxUu]?'(?:[^'\\]|''|\\.)*(?:'|\\?\Z) | "(?:[^"\\]|""|\\.)*(?:"|\\?\Z)"""
)

_AFTER_FROM = frozenset({"WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "SET"})
_SOURCE_FILLERS = frozenset({"ONLY", "LATERAL"})
_NOT_A_NAME = _AFTER_FROM | {
    "ONLY",
    "LATERAL",
    "TABLE",
    "IF",
    "NOT",
    "EXISTS",
    "SELECT",
    "VALUES",
    "WITH",
    "UNNEST",
    "ON",
}
_MODIFIERS = frozenset(
    """LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK IGNORE OR REPLACE ROLLBACK ABORT FAIL INTO ONLY OVERWRITE TABLE
    FROM""".split()
)
_DDL_FILLERS = frozenset("IF NOT EXISTS CONCURRENTLY ONLY".split())
_DDL_MODIFIERS = frozenset(
    "OR REPLACE TEMP TEMPORARY GLOBAL LOCAL UNLOGGED UNIQUE MATERIALIZED FOREIGN EXTERNAL VIRTUAL RECURSIVE".split()
)
_DDL_WITH_ON = frozenset({"INDEX", "TRIGGER", "RULE", "POLICY"})


class Statement(NamedTuple):
    """What is said of a statement on metrics."""

    operation: str
    table: str


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    upper: str = field(default="")


def read(text: str) -> Statement:
    """The operation and first table of a statement; ``unknown`` where there is none to be read."""
    tokens = list(_tokens(text[:MAX_READ]))
    while tokens and tokens[0].text in ("(", ";"):
        tokens.pop(0)
    if not tokens or tokens[0].kind != "word":
        return Statement(UNKNOWN, UNKNOWN)
    ctes: frozenset[str] = frozenset()
    verb = tokens[0].upper
    rest = 0
    if verb == "WITH":
        ctes, rest = _common_table_expressions(tokens)
        if rest >= len(tokens):
            return Statement(UNKNOWN, UNKNOWN)
        verb = tokens[rest].upper
    operation = verb if verb in OPERATIONS else OTHER
    table = _target(verb, tokens[rest + 1 :], ctes)
    if table is None and verb in ("SELECT", "EXPLAIN", "TABLE", "VALUES", "DECLARE", "COPY", "DESCRIBE"):
        table = _first_source(tokens, ctes)
    return Statement(operation, table or UNKNOWN)


def without_literals(text: str, *, backslashes: bool = False) -> str:
    """The statement with every literal as ``?``, and bounded in length.

    Parameters:
        text: The statement.
        backslashes: Whether the dialect escapes quotes by backslashes and has strings in double quotes (MySQL).
    """
    read_text = text[:MAX_READ]
    shown: list[str] = []
    for match in (_MYSQL_TOKEN if backslashes else _TOKEN).finditer(read_text):
        kind = match.lastgroup
        if match["literal"] is not None:
            shown.append("?")
        elif kind == "skip" and not match.group().isspace():
            shown.append(" ")  # a comment may hold anything
            if match.group().find("/*", 1) > 0 and match.group().startswith("/*"):
                break  # PostgreSQL's nest: what follows may belong to it
        else:
            shown.append(match.group())
    result = "".join(shown).strip()
    if len(text) > MAX_READ or len(result) > MAX_SHOWN:
        return result[:MAX_SHOWN] + "..."
    return result


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        found = match.group()
        if match["skip"] is not None:
            continue
        if match["literal"] is not None:
            yield _Token("literal", "?")
        elif match["quoted"] is not None:
            yield _Token("quoted", found[1:-1].replace('""', '"'))
        elif match["word"] is not None:
            yield _Token("word", found, found.upper())
        else:
            yield _Token("sign", found)


def _common_table_expressions(tokens: list[_Token]) -> tuple[frozenset[str], int]:
    """The names that WITH defines, and where the statement's own verb stands."""
    names: set[str] = set()
    index = 1
    if index < len(tokens) and tokens[index].upper == "RECURSIVE":
        index += 1
    while index < len(tokens):
        names.add(tokens[index].text.lower())
        index += 1
        while index < len(tokens) and tokens[index].upper != "AS":
            index = _after_parentheses(tokens, index)
        while index < len(tokens) and tokens[index].text != "(":
            index += 1
        index = _after_parentheses(tokens, index)
        if index >= len(tokens) or tokens[index].text != ",":
            break
        index += 1
    return frozenset(names), index


def _after_parentheses(tokens: list[_Token], index: int) -> int:
    """The index behind a balanced pair of parentheses that begins here, or the next one."""
    depth = 0
    while index < len(tokens):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        index += 1
        if depth <= 0:
            break
    return index


def _target(verb: str, tokens: list[_Token], ctes: frozenset[str]) -> str | None:
    """The table that a statement changes or defines."""
    if verb in ("INSERT", "REPLACE", "UPDATE", "MERGE", "TRUNCATE", "LOCK", "COPY", "REFRESH"):
        skipped = _MODIFIERS | ({"MATERIALIZED", "VIEW", "CONCURRENTLY"} if verb == "REFRESH" else frozenset())
        return _name(tokens, _skip(tokens, 0, skipped))
    if verb == "DELETE":
        for index, token in enumerate(tokens):
            if token.upper == "FROM":
                return _name(tokens, _skip(tokens, index + 1, _MODIFIERS))
        return _name(tokens, 0)
    if verb in ("CREATE", "ALTER", "DROP"):
        return _defined(tokens)
    if verb in ("VACUUM", "ANALYZE", "OPTIMIZE"):
        fillers = frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "TABLE", "LOCAL"})
        return _name(tokens, _skip(tokens, _after_options(tokens), fillers))
    if verb == "TABLE":
        name = _name(tokens, _skip(tokens, 0, frozenset({"ONLY"})))
        return None if name is None or name.lower() in ctes else name
    if verb == "EXPLAIN":
        return _explained(tokens, ctes)
    return None


def _explained(tokens: list[_Token], ctes: frozenset[str]) -> str | None:
    index = _skip(tokens, _after_options(tokens), frozenset({"ANALYZE", "VERBOSE", "QUERY", "PLAN", "EXTENDED", "FOR"}))
    if index < len(tokens) and tokens[index].upper in ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"):
        return _target(tokens[index].upper, tokens[index + 1 :], ctes)
    return None


def _after_options(tokens: list[_Token]) -> int:
    return _after_parentheses(tokens, 0) if tokens and tokens[0].text == "(" else 0


def _defined(tokens: list[_Token]) -> str | None:
    index = _skip(tokens, 0, _DDL_MODIFIERS)
    if index >= len(tokens):
        return None
    kind = tokens[index].upper
    if kind in ("TABLE", "VIEW"):
        return _name(tokens, _skip(tokens, index + 1, _DDL_FILLERS))
    if kind in _DDL_WITH_ON:
        for position in range(index, len(tokens)):
            if tokens[position].upper == "ON":
                return _name(tokens, _skip(tokens, position + 1, _DDL_FILLERS))
    return None


@dataclass(slots=True)
class _Level:
    """A statement within its own parentheses."""

    selects: bool = False
    in_from: bool = False
    had_from: bool = False

    @property
    def in_columns(self) -> bool:
        return self.selects and not self.had_from

    def enter(self, word: str) -> None:
        """A clause begins."""
        if word == "SELECT":
            self.selects, self.in_from, self.had_from = True, False, False
        elif word in _AFTER_FROM:
            self.in_from = False

    def names_table(self, token: _Token) -> bool:
        """Whether a table's name may follow: FROM belongs to a query only, not to EXTRACT(YEAR FROM t)."""
        if token.upper == "FROM":
            return self.selects
        return token.upper == "JOIN" or (token.text == "," and self.in_from)


def _first_source(tokens: list[_Token], ctes: frozenset[str]) -> str | None:
    """The first table that a query reads, at any depth, and that is no common table expression.

    A table of a subquery among the columns counts only where there is no other.
    """
    levels = [_Level()]
    column_depth = 0
    among_columns: str | None = None
    for index, token in enumerate(tokens):
        level = levels[-1]
        if token.kind == "sign" and token.text == "(":
            if not column_depth and level.in_columns:
                column_depth = len(levels)
            levels.append(_Level())
        elif token.kind == "sign" and token.text == ")" and len(levels) > 1:
            levels.pop()
            if column_depth == len(levels):
                column_depth = 0
        level.enter(token.upper)
        before = tokens[index - 1] if index else None
        distinct_from = before is not None and before.upper == "DISTINCT"
        # A join may stand in parentheses of its own: FROM (a JOIN b).
        joined = token.text == "(" and before is not None and level.names_table(before)
        if distinct_from or not (joined or level.names_table(token)):
            continue
        level.in_from = level.had_from = True
        found = _name(tokens, _skip(tokens, index + 1, _SOURCE_FILLERS), source=True)
        if found is not None and found.lower() not in ctes:
            if not column_depth:
                return found
            among_columns = among_columns or found
    return among_columns


def _skip(tokens: list[_Token], index: int, words: frozenset[str]) -> int:
    while index < len(tokens) and tokens[index].kind == "word" and tokens[index].upper in words:
        index += 1
    return index


def _name(tokens: list[_Token], index: int, *, source: bool = False) -> str | None:
    """The last part of a possibly qualified name that begins here."""
    name: str | None = None
    while index < len(tokens) and tokens[index].kind in ("word", "quoted"):
        if tokens[index].kind == "word" and tokens[index].upper in _NOT_A_NAME and name is None:
            return None
        name = tokens[index].text
        index += 1
        if index >= len(tokens) or tokens[index].text != ".":
            break
        index += 1
    is_function = source and index < len(tokens) and tokens[index].text == "("
    if not name or is_function or len(name) > MAX_NAME:
        return None
    return name
