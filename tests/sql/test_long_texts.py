"""Long statements that always differ cost no more than their beginning."""

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, text

from tests.sql.internals import MAX_READ, UNKNOWN, ByText, Statements, _spans, _statements, head, read, without_literals

MEGABYTE = 1_000_000
COLUMNS = ", ".join(f"t{n}.name{n} AS t{n}_name{n}" for n in range(60))
CALLS = ", ".join(f"coalesce(sum(t.c{n}), 0) * 2 AS c{n}" for n in range(60))

# Statements of any length: the beginning, the repeated part, the end, and the expected operation and table.
LONG = {
    "literals of a list": ("SELECT * FROM orders WHERE id IN (", "12,", "1)", ("SELECT", "orders")),
    "texts of a list": ("SELECT * FROM orders WHERE id IN (", "'a1',", "'b')", ("SELECT", "orders")),
    "rows": ("INSERT INTO orders (a, b) VALUES ", "(1, 'x', 2.5, NULL), ", "(1)", ("INSERT", "orders")),
    "rows of a query": ("VALUES ", "(1, 'x'), ", "(1)", ("VALUES", UNKNOWN)),
    "a comment before": ("/*", "a", "*/ SELECT * FROM orders", (UNKNOWN, UNKNOWN)),
    "a comment of statements": ("/*", "DELETE FROM x ", "*/ SELECT * FROM orders", (UNKNOWN, UNKNOWN)),
    "a comment never closed": ("SELECT /*", "a*", "", ("SELECT", UNKNOWN)),
    "comments": ("SELECT * FROM orders ", "/* a */", "", ("SELECT", "orders")),
    "lines of comments": ("SELECT * FROM orders ", "-- a\n", "", ("SELECT", "orders")),
    "nested comments": ("", "/*", "SELECT * FROM orders", (UNKNOWN, UNKNOWN)),
    "parentheses": ("SELECT ", "(", "1", ("SELECT", UNKNOWN)),
    "a quote never closed": ("SELECT * FROM orders WHERE a = '", "a", "", ("SELECT", "orders")),
    "quotes": ("SELECT ", "'", "", ("SELECT", UNKNOWN)),
    "dollar quotes": ("DO ", "$a$", "", ("DO", UNKNOWN)),
    "a dollar quote": ("SELECT $x$", "a$", "", ("SELECT", UNKNOWN)),
    "columns": ("SELECT a", ", t.b AS c", " FROM orders", ("SELECT", UNKNOWN)),
    "queries in columns": ("SELECT a", ", (SELECT b FROM c)", " FROM orders", ("SELECT", "c")),
    "blanks": ("SELECT", " \n", "* FROM orders", ("SELECT", UNKNOWN)),
    "other words": ("WITH a AS (", "b ", ")", (UNKNOWN, UNKNOWN)),
}


def long(kind, size=MEGABYTE, number=0):
    begin, unit, end, _ = LONG[kind]
    return f"{begin}{unit * (size // len(unit))}{end} -- {number}"


@pytest.mark.parametrize("kind", LONG)
def test_the_beginning_of_a_statement_decides(kind):
    found = read(long(kind))
    assert tuple(found) == LONG[kind][3]
    assert Statements(9).of_text(long(kind)) == found


def seconds(call, texts):
    best = float("inf")
    for one in texts:
        started = time.thread_time()
        call(one)
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.parametrize("kind", LONG)
def test_a_megabyte_costs_no_more_than_its_beginning(kind):
    """Use a new string object each time, so that Python has not cached its hash."""
    reading = (lambda one: Statements(9).of_text(one), without_literals)
    for call in reading:
        short, large = (seconds(call, [long(kind, size, n) for n in range(4)]) for size in (2 * MAX_READ, MEGABYTE))
        assert large < 5 * short + 0.001


@pytest.mark.parametrize("kind", LONG)
def test_the_same_statement_is_read_once(kind, monkeypatch):
    statements = Statements(9)
    statements.of_text(long(kind))
    monkeypatch.setattr(_statements, "read", None)
    for number in range(3):
        assert tuple(statements.of_text(long(kind, number=number))) == LONG[kind][3]


@pytest.mark.parametrize(
    "form",
    [
        "/* trace={} */ SELECT * FROM orders",
        "-- trace={}\nSELECT * FROM orders",
        "  /* a */ /* trace={} */\n SELECT * FROM orders",
        "SELECT * FROM orders /*traceparent='00-{}-01',db_driver='psycopg'*/",
        "SELECT * FROM orders /*traceparent='00-{}-01'*/;",
        "SELECT * FROM orders -- trace={}",
        "((/* {} */ SELECT * FROM orders))",
    ],
)
def test_a_comment_that_is_different_each_time_changes_nothing(form, monkeypatch):
    statements = Statements(9)
    assert statements.of_text(form.format(0)) == ("SELECT", "orders")
    monkeypatch.setattr(_statements, "read", None)
    assert {statements.of_text(form.format(n)) for n in range(9)} == {("SELECT", "orders")}


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("SELECT '--', a FROM t", "t"),
        ("SELECT '/*' FROM t /* a */", "t"),
        ("SELECT a -- '\nFROM t", "t"),
        ("SELECT a FROM t WHERE b = ' -- c'", "t"),
        ('SELECT "--" FROM t', "t"),
        ("SELECT `--` FROM t", "t"),
        ("SELECT $$--$$ FROM t", "t"),
        (f"SELECT {COLUMNS} FROM t", "t"),
        (f"SELECT {CALLS} FROM t", "t"),
        (f"SELECT DISTINCT {COLUMNS}, EXTRACT(YEAR FROM x) AS y FROM t", "t"),
        (f"SELECT {COLUMNS}, (SELECT max(x) FROM u) FROM t", "t"),
        (f"SELECT {COLUMNS}, a IS DISTINCT FROM b FROM t", "t"),
        ("SELECT E'a\\'b', c FROM t", "t"),
        ("SELECT 1, 'it''s', 2.5, 'FROM x', 3 FROM t", "t"),
        ("SELECT * FROM a, b, c, d, e", "a"),
        ("SELECT FROM t", "t"),
        ("SELECT a, (VALUES (1)), b FROM t", "t"),
        ("SELECT x FROM (VALUES (1, 'a'), (2, 'b')) AS v, t", "t"),
    ],
)
def test_skipped_text_hides_no_table(statement, table):
    assert read(statement).table == table


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("IN (1, 2,3 , 4)", "IN (?, ?,? , ?)"),
        ("VALUES (1, 'a'), (2.5, 'b')", "VALUES (?, ?), (?, ?)"),
        ("IN ('a', 'it''s', 'c')", "IN (?, ?, ?)"),
        ("1, 2e5, 0xff, t1, $1, :2", "?, ?, ?, t1, $1, :2"),
        ("'a', E'b\\'c', N'd', 'e'", "?, ?, ?, ?"),
    ],
)
def test_a_list_is_shown_as_its_literals_are(statement, shown):
    assert without_literals(statement) == shown


def test_statements_that_differ_only_after_the_read_part_are_one():
    begin = f"SELECT * FROM t WHERE a IN ({'1, ' * MAX_READ}"
    assert head(begin + "1)") == head(begin + "2) ORDER BY 1")
    assert len(head(begin)) == MAX_READ


def test_the_cache_is_bounded_in_number_and_characters():
    known = ByText()
    for number in range(2_500):
        known.add(f"{number}" + "x" * 1_000, number)
        assert known.get(f"{number}" + "x" * 1_000) == number
    assert len(known._found) <= 1_000
    for number in range(1_000):
        known.add(f"{number}" + "x" * MAX_READ, number)
    assert sum(map(len, known._found)) <= 2_000_000


def test_spans_of_long_statements_are_described_once(monkeypatch):
    spans = SimpleNamespace(wanted=lambda: "context", describe=lambda *made: made, start=lambda made, _: made)
    engine = _spans.EngineSpans(create_engine("sqlite://"), spans)
    statement = read(long("literals of a list"))
    first = engine.start(statement, long("literals of a list"), None)
    assert first[1]["db.query.text"].startswith("SELECT * FROM orders WHERE id IN (?,?,")
    monkeypatch.setattr(_spans, "without_literals", None)
    assert engine.start(statement, long("literals of a list", number=1), None) is first


def test_a_statement_of_a_megabyte_is_executed():
    with create_engine("sqlite://").connect() as connection:
        rows = connection.execute(text(f"SELECT 1 WHERE 1 IN ({'1, ' * 300_000}1)"))
        assert rows.scalar() == 1
