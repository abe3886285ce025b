"""The operation and first table of SQL text.

This is a scanner, not a parser: it reads a bounded part of the text, skips comments and literals, follows parentheses,
and knows the positions of table names. Statements built by SQLAlchemy are read from their constructs instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ._literals import MAX_READ, MAX_SHOWN, TOKEN, without_literals

__all__ = [
    "MAX_NAME",
    "MAX_READ",
    "MAX_SHOWN",
    "OPERATIONS",
    "OTHER",
    "UNKNOWN",
    "Statement",
    "head",
    "read",
    "without_literals",
]

UNKNOWN = "unknown"
OTHER = "other"

MAX_NAME = 128
# Tokens that are read: what a statement names it names early, and each takes half a microsecond.
_MAX_TOKENS = 256

OPERATIONS = frozenset(
    """SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT VALUES TABLE CREATE ALTER DROP TRUNCATE RENAME COMMENT GRANT
    REVOKE BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE END ABORT SET RESET SHOW USE EXPLAIN DESCRIBE PRAGMA COPY LOAD
    CALL DO EXECUTE PREPARE DEALLOCATE DECLARE FETCH MOVE CLOSE VACUUM ANALYZE REINDEX CLUSTER REFRESH OPTIMIZE LOCK
    UNLOCK LISTEN NOTIFY UNLISTEN ATTACH DETACH DISCARD CHECKPOINT KILL FLUSH""".split()
)


# Columns that name no table, skipped in one match: reading them token by token would take most of the time.
_NAME = r"[^\W\d][\w$]*+"
_STRING = r"'[^'\\]*+'(?!')"
_CALL = rf"""\((?!\s*+(?i:SELECT|WITH|VALUES|TABLE)\b)(?:[^()'"`$\[/#-]++|{_STRING}{{nested}})*+\)"""
_COLUMNS = re.compile(
    rf"""(?:
      \s*+(?!(?i:FROM)\b){_NAME}(?:\.{_NAME})*+(?:\s++(?i:AS)\s++{_NAME})?+\s*+,
    | (?:
          [\s.=<>+*%|:?!~]++ | {_STRING} | \d++
        | {_CALL.format(nested="|" + _CALL.format(nested=""))}
        | (?!(?i:SELECT|FROM|JOIN|WHERE|INTO)\b){_NAME}
      )++,
    )++""",
    re.VERBOSE,
)
# Comments before and after a statement: tracing puts values there that differ for each execution. A comment to the end
# of the line does not start within a literal if no quote follows.
_MAX_BEFORE = 8_192
_BEFORE = re.compile(r"(?:[\s(;]++|--[^\n]*+(?:\n|\Z)|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))++")
_QUOTES = re.compile("['\"`$]")
_AFTER_FROM = frozenset({"WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "SET"})
_TELLING = _AFTER_FROM | {"SELECT", "FROM", "JOIN", "(", ")", ","}
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


class _Token(NamedTuple):
    kind: str
    text: str
    upper: str = ""


_LITERAL = _Token("literal", "?")


class _Tokens:
    """The tokens of a statement, read on demand.

    Parameters:
        text: The part of the statement to read at most.
    """

    __slots__ = ("_found", "_more")

    def __init__(self, text: str) -> None:
        self._found: list[_Token] = []
        self._more = _tokens(text)

    def has(self, index: int) -> bool:
        """Return whether there is a token at an index, among those that are read."""
        found = self._found
        if index >= _MAX_TOKENS:
            return False
        while len(found) <= index:
            token = next(self._more, None)
            if token is None:
                return False
            found.append(token)
        return True

    def __getitem__(self, index: int) -> _Token:
        return self._found[index]


def head(text: str) -> str:
    """Return the part of a statement that determines operation and table, without leading parentheses and comments.

    Parameters:
        text: The statement, of any length.
    """
    part = text[:MAX_READ]
    if not part[:1].isalpha() and (found := _BEFORE.match(text, 0, _MAX_BEFORE)):
        # A comment longer than the part that is read hides the statement.
        part = text[found.end() : found.end() + MAX_READ] if found.end() < _MAX_BEFORE else ""
    if len(part) < MAX_READ:
        part = part.rstrip(" \t\r\n;")
        if part.endswith("*/"):
            part = part[: max(0, part.rfind("/*"))].rstrip()
        elif (start := part.rfind("--", part.rfind("\n") + 1)) > 0 and not _QUOTES.search(part, start):
            part = part[:start].rstrip()
    return part


def read(text: str) -> Statement:
    """Return the operation and first table of a statement, ``unknown`` for either if it cannot be read."""
    tokens = _Tokens(head(text))
    if not tokens.has(0) or tokens[0].kind != "word":
        return Statement(UNKNOWN, UNKNOWN)
    ctes: frozenset[str] = frozenset()
    verb = tokens[0].upper
    rest = 0
    if verb == "WITH":
        ctes, rest = _common_table_expressions(tokens, 1)
        if not tokens.has(rest):
            return Statement(UNKNOWN, UNKNOWN)
        verb = tokens[rest].upper
    operation = verb if verb in OPERATIONS else OTHER
    table = _target(verb, tokens, rest + 1, ctes)
    if table is None and verb in ("SELECT", "EXPLAIN", "TABLE", "VALUES", "DECLARE", "COPY", "DESCRIBE"):
        table = _first_source(tokens, ctes)
    return Statement(operation, table or UNKNOWN)


def _tokens(text: str) -> Iterator[_Token]:
    match = TOKEN.match
    position, end = 0, len(text)
    while position < end:
        token = match(text, position)
        assert token is not None  # noqa: S101 - any character is at least a sign
        position = token.end()
        kind = token.lastgroup
        if kind == "skip":
            continue
        found = token.group()
        if kind == "word":
            word = _Token("word", found, found.upper())
            yield word
            if word.upper == "SELECT" and (columns := _COLUMNS.match(text, position)):
                position = columns.end()
        elif kind in ("literal", "list"):
            yield _LITERAL
        elif kind == "quoted":
            yield _Token("quoted", found[1:-1].replace('""', '"'))
        else:
            yield _Token("sign", found)


def _common_table_expressions(tokens: _Tokens, index: int) -> tuple[frozenset[str], int]:
    """Return the names that WITH defines, and the index of the verb after them."""
    names: set[str] = set()
    if tokens.has(index) and tokens[index].upper == "RECURSIVE":
        index += 1
    while tokens.has(index):
        names.add(tokens[index].text.lower())
        index += 1
        while tokens.has(index) and tokens[index].upper != "AS":
            index = _after_parentheses(tokens, index)
        while tokens.has(index) and tokens[index].text != "(":
            index += 1
        index = _after_parentheses(tokens, index)
        if not tokens.has(index) or tokens[index].text != ",":
            break
        index += 1
    return frozenset(names), index


def _after_parentheses(tokens: _Tokens, index: int) -> int:
    """Return the index after the balanced parentheses that start here, or the next index if none start here."""
    depth = 0
    while tokens.has(index):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        index += 1
        if depth <= 0:
            break
    return index


def _target(verb: str, tokens: _Tokens, start: int, ctes: frozenset[str]) -> str | None:
    """Return the table that a statement changes or defines."""
    if verb in ("INSERT", "REPLACE", "UPDATE", "MERGE", "TRUNCATE", "LOCK", "COPY", "REFRESH"):
        skipped = _MODIFIERS | ({"MATERIALIZED", "VIEW", "CONCURRENTLY"} if verb == "REFRESH" else frozenset())
        return _name(tokens, _skip(tokens, start, skipped))
    if verb == "DELETE":
        index = _find(tokens, start, "FROM")
        return _name(tokens, start if index is None else _skip(tokens, index + 1, _MODIFIERS))
    if verb in ("CREATE", "ALTER", "DROP"):
        return _defined(tokens, start)
    if verb in ("VACUUM", "ANALYZE", "OPTIMIZE"):
        fillers = frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "TABLE", "LOCAL"})
        return _name(tokens, _skip(tokens, _after_options(tokens, start), fillers))
    if verb == "TABLE":
        name = _name(tokens, _skip(tokens, start, frozenset({"ONLY"})))
        return None if name is None or name.lower() in ctes else name
    if verb == "EXPLAIN":
        return _explained(tokens, start, ctes)
    return None


def _explained(tokens: _Tokens, start: int, ctes: frozenset[str]) -> str | None:
    fillers = frozenset({"ANALYZE", "VERBOSE", "QUERY", "PLAN", "EXTENDED", "FOR"})
    index = _skip(tokens, _after_options(tokens, start), fillers)
    if tokens.has(index) and tokens[index].upper in ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"):
        return _target(tokens[index].upper, tokens, index + 1, ctes)
    return None


def _after_options(tokens: _Tokens, start: int) -> int:
    return _after_parentheses(tokens, start) if tokens.has(start) and tokens[start].text == "(" else start


def _find(tokens: _Tokens, index: int, word: str) -> int | None:
    for at in range(index, _MAX_TOKENS):
        if not tokens.has(at):
            break
        if tokens[at].upper == word:
            return at
    return None


def _defined(tokens: _Tokens, start: int) -> str | None:
    index = _skip(tokens, start, _DDL_MODIFIERS)
    if not tokens.has(index):
        return None
    kind = tokens[index].upper
    if kind in ("TABLE", "VIEW"):
        return _name(tokens, _skip(tokens, index + 1, _DDL_FILLERS))
    if kind in _DDL_WITH_ON and (position := _find(tokens, index, "ON")) is not None:
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


def _telling(tokens: _Tokens) -> Iterator[tuple[int, _Token | None, _Token]]:
    """Yield the first tokens that determine a table, each with its index and the previous one."""
    token: _Token | None = None
    for index in range(_MAX_TOKENS):
        if not tokens.has(index):
            break
        before, token = token, tokens[index]
        if token.upper in _TELLING or token.text in _TELLING:
            yield index, before, token


def _first_source(tokens: _Tokens, ctes: frozenset[str]) -> str | None:
    """Return the first table that a query reads, at any depth, except common table expressions.

    A table of a subquery among the columns counts only if there is no other table.
    """
    levels = [_Level()]
    column_depth = 0
    among_columns: str | None = None
    for index, before, token in _telling(tokens):
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


def _skip(tokens: _Tokens, index: int, words: frozenset[str]) -> int:
    while tokens.has(index) and tokens[index].kind == "word" and tokens[index].upper in words:
        index += 1
    return index


def _name(tokens: _Tokens, index: int, *, source: bool = False) -> str | None:
    """Return the last part of a possibly qualified name that starts here."""
    name: str | None = None
    while tokens.has(index) and tokens[index].kind in ("word", "quoted"):
        if tokens[index].kind == "word" and tokens[index].upper in _NOT_A_NAME and name is None:
            return None
        name = tokens[index].text
        index += 1
        if not tokens.has(index) or tokens[index].text != ".":
            break
        index += 1
    is_function = source and tokens.has(index) and tokens[index].text == "("
    if not name or is_function or len(name) > MAX_NAME:
        return None
    return name
