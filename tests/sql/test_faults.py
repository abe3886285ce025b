"""A fault inside any of our pieces changes neither result nor exception of a statement."""

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import Span
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from tests.internals import faults
from tests.scrape import scrape
from tests.sql.internals import (
    ClientSpans,
    EngineSpans,
    Pools,
    Series,
    SqlInstrumentation,
    Statements,
    StoredRecorder,
    _client_spans,
    _constructs,
    _instrumentation,
    _pools,
    _spans,
    _statements,
)
from tests.sql.shop import users
from wxiai_otel import setup_telemetry

pytestmark = pytest.mark.faulty


class Broken(Exception):
    pass


def broken(*args, **kwargs):
    raise Broken


def faults_of_sql():
    """Without those that other tests' threads have meanwhile."""
    return sum(count for site, count in faults().items() if site.startswith("sql."))


PIECES = [
    (SqlInstrumentation, "_meet"),
    (_instrumentation, "_root"),
    (_instrumentation, "_drivers"),
    (_instrumentation, "is_deadlock"),
    (_instrumentation, "sqlstate"),
    (_instrumentation, "system_name"),
    (_statements, "read_compiled"),
    (_constructs, "_table"),
    (_statements, "_is_beforehand"),
    (Statements, "of"),
    (Statements, "of_text"),
    (Statements, "_bounded"),
    (Pools, "label"),
    (_pools, "_described"),
    (EngineSpans, "__init__"),
    (EngineSpans, "start"),
    (EngineSpans, "_describe"),
    (ClientSpans, "wanted"),
    (ClientSpans, "start"),
    (_instrumentation, "is_traced"),
    (_instrumentation, "failure_of"),
    (_client_spans, "get_current"),
    (_client_spans, "Status"),
    (_client_spans, "SdkSpan"),
    (_spans, "without_literals"),
    (_spans, "_place"),
    (Span, "end"),
    (StoredRecorder, "record"),
    (Series, "of"),
]

# Read the text where the constructs cannot be read.
SILENT = ("read_compiled", "_table")


async def answers(database):
    """Results and exceptions of statements that succeed and that fail."""
    engine = database.engine()
    found = []

    async def run(work):
        try:
            found.append(await database.run(work, engine))
        except Exception as exception:
            found.append((type(exception), type(exception.orig), str(exception.orig)))

    await run(lambda connection: connection.execute(insert(users).values(id=1, name="a")).rowcount)
    await run(lambda connection: connection.execute(insert(users).values(id=1, name="a")).rowcount)
    await run(lambda connection: connection.execute(select(users)).all())
    await run(lambda connection: connection.execute(text("SELECT name FROM users")).all())
    await run(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere").all())
    await run(lambda connection: connection.execute(text("DELETE FROM users")).rowcount)
    return found


@pytest.mark.parametrize("database", ["pysqlite", "asyncpg"], indirect=True)
@pytest.mark.parametrize(("owner", "name"), PIECES, ids=lambda piece: getattr(piece, "__name__", piece))
async def test_a_fault_in_a_piece_changes_no_result_and_no_exception(spans, database, owner, name, monkeypatch):
    expected = await answers(database)
    assert expected[0] == 1
    assert (expected[1][0], expected[2:4], expected[5]) == (IntegrityError, [[(1, "a")], [("a",)]], 1)
    assert issubclass(expected[4][0], DBAPIError)
    setup_telemetry(FastAPI())
    monkeypatch.setattr(owner, name, broken)
    before = sum(faults().values())

    assert await answers(database) == expected
    assert sum(faults().values()) > before or name in SILENT


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (SqlInstrumentation, "_meet"),
        (EngineSpans, "start"),
        (ClientSpans, "start"),
        (_instrumentation, "failure_of"),
        (_instrumentation, "sqlstate"),
        (Span, "end"),
    ],
)
def test_statements_are_counted_also_where_their_spans_fail(spans, sqlite, owner, name, monkeypatch):
    telemetry = setup_telemetry(FastAPI())
    monkeypatch.setattr(owner, name, broken)
    with sqlite.engine().connect() as connection:
        connection.execute(select(users))
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))
    assert scrape(telemetry).series("db_query_duration_seconds_count", "operation", "table") == {
        ("SELECT", "users"): 1,
        ("SELECT", "nowhere"): 1,
    }


def test_a_fault_in_counting_a_pool_changes_no_connection(sqlite, monkeypatch):
    setup_telemetry(FastAPI())
    monkeypatch.setattr(_pools, "_COUNTED", [])  # not hashable: no connection can be marked
    before = faults_of_sql()
    with sqlite.engine(poolclass=NullPool).connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    assert faults_of_sql() == before + 1


@pytest.mark.parametrize("piece", ["_limit", "observe_size", "observe_usage"])
def test_a_fault_in_observing_pools_leaves_the_other_metrics(sqlite, piece, monkeypatch):
    if piece != "_limit":
        monkeypatch.setattr(Pools, piece, broken)
    telemetry = setup_telemetry(FastAPI())
    if piece == "_limit":
        monkeypatch.setattr(_pools, piece, broken)
    with sqlite.engine().connect() as connection:
        connection.execute(select(users))
    assert scrape(telemetry).value("db_query_duration_seconds_count", table="users") == 1


@pytest.mark.parametrize("owner", [SqlInstrumentation, Pools, Statements, ClientSpans])
def test_a_fault_in_the_set_up_leaves_an_application_that_works(sqlite, owner, monkeypatch):
    monkeypatch.setattr(owner, "__init__", broken)
    telemetry = setup_telemetry(FastAPI())
    with sqlite.engine().connect() as connection:
        assert connection.execute(select(users)).all() == []
    assert telemetry.render_metrics()[0]
    telemetry.shutdown()
