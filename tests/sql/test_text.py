"""What is read of a statement's text, and what is shown of it."""

import time

import pytest
import sqlglot
from hypothesis import example, given
from hypothesis import strategies as st
from sqlglot import expressions

from tests.sql.internals import MAX_NAME, MAX_SHOWN, OPERATIONS, read, without_literals
from tests.sql.statements import CHANGES, COMMON_TABLE_EXPRESSIONS, NAMES, QUERIES, STATEMENTS


def short(value: object) -> str:
    return ascii(value)[:60]


@pytest.mark.parametrize(("text", "operation", "table"), STATEMENTS, ids=short)
def test_operation_and_first_table(text, operation, table):
    found = read(text)
    assert (found.operation, found.table) == (operation, table)


def test_the_table_of_statements_is_long_enough_to_mean_something():
    assert len({text for text, _, _ in STATEMENTS}) == len(STATEMENTS) >= 120


class TestWithoutLiterals:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("SELECT * FROM users WHERE id = 5", "SELECT * FROM users WHERE id = ?"),
            ("SELECT * FROM t1 WHERE a2 = 3.14e5", "SELECT * FROM t1 WHERE a2 = ?"),
            ("SELECT 'it''s', x FROM t", "SELECT ?, x FROM t"),
            ("SELECT E'it\\'s secret', x", "SELECT ?, x"),
            ("SELECT N'secret', X'ff', 0xFF", "SELECT ?, ?, ?"),
            ("SELECT $$secret$$, $a$secret$a$", "SELECT ?, ?"),
            ("SELECT 'never closed secret", "SELECT ?"),
            ("SELECT /* secret */ 1 -- secret", "SELECT   ?"),
            ("SELECT $1, :name, ?, %s, %(name)s, @p", "SELECT $1, :name, ?, %s, %(name)s, @p"),
            ('SELECT "column" FROM "table"', 'SELECT "column" FROM "table"'),
            ("SELECT [column] FROM [table]", "SELECT [column] FROM [table]"),
            ("SELECT ARRAY[1, 2]", "SELECT ARRAY[?, ?]"),
            ("  SELECT 1  ", "SELECT ?"),
            ("", ""),
        ],
    )
    def test_every_literal_is_a_question_mark(self, text, shown):
        assert without_literals(text) == shown

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("SELECT 'it\\'s secret', x", "SELECT ?, x"),
            ('SELECT "secret", x', "SELECT ?, x"),
            ('SELECT "a \\" secret", x', "SELECT ?, x"),
            ("SELECT `column` # secret\nFROM t", "SELECT `column`  \nFROM t"),
        ],
    )
    def test_where_backslashes_escape_and_double_quotes_are_strings(self, text, shown):
        assert without_literals(text, backslashes=True) == shown

    def test_it_is_bounded(self):
        assert len(without_literals("SELECT a, " * 10_000)) == MAX_SHOWN + 3
        assert without_literals(f"SELECT '{'x' * 2**20}'").startswith("SELECT ?")

    @given(
        st.text(st.characters(blacklist_characters="'\\", blacklist_categories=["Cs"]), min_size=6),
        st.sampled_from(["'{}'", "E'{}'", "N'{}'", "/*{}*/", "$q${}$q$"]),
    )
    def test_no_literal_of_any_form_is_shown(self, secret, form):
        if (
            secret.strip() == secret
            and "*/" not in secret
            and "$q$" not in secret
            and secret not in "SELECT  , x FROM t"
        ):
            assert secret not in without_literals(f"SELECT {form.format(secret)}, x FROM t")


@given(st.text())
@example("WITH a AS (")
@example("DELETE FROM FROM")
@example("EXPLAIN (")
@example("SELECT FROM FROM FROM")
def test_any_text_is_read_and_the_result_is_bounded(text):
    found = read(text)
    assert found.operation in OPERATIONS | {"other", "unknown"}
    assert 0 < len(found.table) <= MAX_NAME
    assert len(without_literals(text)) <= MAX_SHOWN + 3
    assert len(without_literals(text, backslashes=True)) <= MAX_SHOWN + 3


@given(
    st.lists(
        st.sampled_from("SELECT FROM WITH AS ( ) , . JOIN a b INSERT INTO DELETE \" ' -- /* */ [ ] ; $$ $a$".split())
    )
)
def test_any_order_of_words_is_read(words):
    assert read(" ".join(words)).operation in OPERATIONS | {"other", "unknown"}


@pytest.mark.parametrize(
    "unit",
    ["(", "SELECT ", "a,", "/*", "'", '"', "$a$", "FROM x JOIN ", "WITH a AS (", "--\n", "[a", "1e", "E'\\"],
    ids=short,
)
def test_reading_a_megabyte_takes_no_longer_than_reading_what_is_looked_at(unit):
    """Ratios within one run: the text is cut before it is read, so 100 times the text is not 10 times the time."""

    def seconds(text):
        best = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            read(text)
            without_literals(text)
            best = min(best, time.perf_counter() - started)
        return best

    once = "SELECT " + unit * (10_000 // len(unit))
    assert seconds(once * 100) < 10 * seconds(once) + 0.01


# A whole parser as a second opinion. Where it differs, ours is right for the reason given.
DEVIATIONS = {
    "SELECT (SELECT count(*) FROM orders) FROM users": "tables among the columns come after those of FROM",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM a) THEN 1 END FROM b": "tables among the columns come after those of FROM",
    "SELECT * INTO copy FROM users": "what is read is the statement's table; sqlglot lists the new one too",
    f"SELECT * FROM {'x' * 129}": "a name is bounded",
}
DIALECTS = ("postgres", "mysql", "tsql", "sqlite")
CHANGING = (expressions.Insert, expressions.Update, expressions.Delete, expressions.Merge, expressions.Copy)


def tree_of(text: str) -> expressions.Expression | None:
    """The statement as the first dialect parses it that can."""
    for dialect in DIALECTS:
        try:
            tree = sqlglot.parse_one(text, dialect=dialect)
        except sqlglot.errors.SqlglotError:
            continue
        if not isinstance(tree, expressions.Command | expressions.Alias | expressions.Column):
            return tree
    return None


def second_opinion(tree: expressions.Expression) -> str:
    """The table that is changed, else the first that is read and is no common table expression."""
    if isinstance(tree, CHANGING) and isinstance(tree.this, expressions.Expression):
        return tree.this.find(expressions.Table).name
    defined = {cte.alias.lower() for cte in tree.find_all(expressions.CTE)}
    read_tables = [
        table
        for table in tree.find_all(expressions.Table)
        if table.name and table.name.lower() not in defined and not isinstance(table.this, expressions.Func)
    ]
    first = min(read_tables, key=lambda table: table.this.meta.get("start", 0), default=None)
    return first.name if first is not None else "unknown"


PARSED = [
    (text, tree) for text, _, _ in [*QUERIES, *COMMON_TABLE_EXPRESSIONS, *CHANGES, *NAMES] if (tree := tree_of(text))
]


def test_the_parser_understands_most_of_the_statements():
    assert len(PARSED) > 90
    assert set(DEVIATIONS) <= {text for text, _ in PARSED}


@pytest.mark.parametrize(("text", "tree"), PARSED, ids=short)
def test_a_whole_parser_finds_the_same_table(text, tree):
    assert (read(text).table == second_opinion(tree)) is (text not in DEVIATIONS)
