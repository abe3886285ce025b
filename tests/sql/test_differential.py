"""The span of a statement is upstream's, but for what tables list.

Upstream is opentelemetry-instrumentation-sqlalchemy with the stable names.
"""

import inspect
from contextlib import suppress

import pytest
import sqlalchemy
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    create_engine,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import selectinload

from tests.client_spans import Deviation, assert_upstreams
from tests.semconv import use_stable_names
from tests.sql.shop import Order, User, orders, users
from wxiai_otel import setup_telemetry


def failing(work):
    def attempt(connection):
        with suppress(DBAPIError), connection.begin_nested():
            work(connection)

    return attempt


def create_and_drop(connection):
    table = Table("things", MetaData(), Column("id", Integer, primary_key=True))
    table.create(connection)
    table.drop(connection)


def nested(connection):
    with connection.begin_nested():
        connection.execute(insert(users).values(id=1, name="a"))
    savepoint = connection.begin_nested()
    connection.execute(insert(users).values(id=2, name="b"))
    savepoint.rollback()


def streamed(connection):
    with connection.execution_options(stream_results=True, max_row_buffer=1).execute(select(users)) as rows:
        rows.all()


def suppressed(connection):
    with suppress_instrumentation():
        connection.execute(select(users))
    connection.execute(select(orders))


def flush(session):
    session.add_all([User(name=name, orders=[Order(), Order()]) for name in ("a", "b")])
    session.flush()
    session.execute(update(User).where(User.name == "a").values(name="c"))
    session.rollback()


def load(session):
    user = User(id=1, name="a", orders=[Order(id=1)])
    session.add(user)
    session.commit()
    session.expire_all()
    assert session.get(User, 1).orders[0].id == 1
    session.scalars(select(User).options(selectinload(User.orders))).all()
    session.delete(session.get(Order, 1))
    session.flush()


IN_CONNECTIONS = {
    "select": lambda c: c.execute(select(users).where(users.c.id == 1)).all(),
    "select again": lambda c: [c.execute(select(users).where(users.c.id == number)).all() for number in range(3)],
    "in": lambda c: [c.execute(select(users).where(users.c.id.in_(range(n)))).all() for n in (1, 2, 5)],
    "join": lambda c: c.execute(select(users, orders).join(orders)).all(),
    "no table": lambda c: c.execute(select(func.count())).all(),
    "union": lambda c: c.execute(union_all(select(users.c.id), select(orders.c.id))).all(),
    "cte": lambda c: c.execute(select(select(users).cte("chosen"))).all(),
    "insert": lambda c: c.execute(insert(users).values(id=1, name="a")),
    "insert many": lambda c: c.execute(insert(users), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]),
    "insert from select": lambda c: c.execute(insert(orders).from_select(["user_id"], select(users.c.id))),
    "insert returning many": lambda c: c.execute(
        insert(users).returning(users.c.id), [{"name": "a"}, {"name": "b"}]
    ).all(),
    "update": lambda c: c.execute(update(users).where(users.c.id == 1).values(name="b")),
    "delete": lambda c: c.execute(delete(users)),
    "text": lambda c: c.execute(text("SELECT name FROM users WHERE id = :id"), {"id": 1}).all(),
    "driver's own": lambda c: c.exec_driver_sql("select name\nfrom users").all(),
    "literals": lambda c: c.exec_driver_sql("SELECT 1, 'a' FROM users").all(),
    "literal by construct": lambda c: c.execute(select(users).where(users.c.name == literal("a"))).all(),
    "leading comment": lambda c: c.exec_driver_sql("/* of the application */ SELECT name FROM users").all(),
    "table and driver's own": lambda c: [
        c.execute(text("DELETE FROM orders")),
        c.exec_driver_sql("UPDATE users SET name = name"),
    ],
    "ddl": create_and_drop,
    "savepoints": nested,
    "streamed": streamed,
    "suppressed": suppressed,
    "duplicate": lambda c: [
        c.execute(insert(users).values(id=1, name="a")),
        failing(lambda c: c.execute(insert(users).values(id=1, name="a")))(c),
    ],
    "unknown table": failing(lambda c: c.execute(text("SELECT * FROM nowhere"))),
    "no sql": failing(lambda c: c.exec_driver_sql("nonsense")),
    "many, one of which fails": failing(
        lambda c: c.execute(insert(users), [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])
    ),
}
IN_SESSIONS = {"flush": flush, "load": load}
CASES = (*IN_CONNECTIONS, *IN_SESSIONS)
FAILING = ("duplicate", "unknown table", "no sql", "many, one of which fails")
WITHOUT_TABLE = ("no table", "no sql")

WITH_TABLE = tuple(case for case in CASES if case not in WITHOUT_TABLE)
OTHER_WORD = ("driver's own", "cte", "no sql")

COMMON = (
    Deviation("the table is said where there is one", ("attributes.db.collection.name",), WITH_TABLE),
    Deviation(
        "literals and comments may hold anything", ("attributes.db.query.text",), ("literals", "leading comment")
    ),
    Deviation("nothing is said by white space", ("attributes.db.query.text",), ("ddl",)),
    Deviation("the driver's message may hold anything: the exception's class does not", ("description",), FAILING),
    Deviation("and is said where it is looked for", ("attributes.error.type",), FAILING),
)
NAMED_DATABASE = (
    Deviation(
        "the name is the operation and its table, the operation has no other; upstream's hold the database, which may "
        "be a path",
        ("name", "attributes.db.operation.name"),
        CASES,
    ),
)
UNNAMED_DATABASE = (
    Deviation(
        "where upstream cannot ask the driver, the table is added to the name", ("name",), (*WITH_TABLE, "no sql")
    ),
    Deviation(
        "the operation is one of a closed set, and the statement's, not its first word",
        ("attributes.db.operation.name",),
        OTHER_WORD,
    ),
)
BY_POSTGRESQL = (
    Deviation("PostgreSQL's own code of the error is said", ("attributes.db.response.status_code",), FAILING),
    Deviation("SQLAlchemy writes numbers into a batch that returns rows", ("attributes.db.query.text",), ("flush",)),
)


def deviations(database):
    """What is listed for a driver."""
    # SQLAlchemy 2.1 hides psycopg's connection from upstream where it is an asynchronous one.
    hidden = ("asyncpg", "psycopg_async") if sqlalchemy.__version__ >= "2.1" else ("asyncpg",)
    asked = not any(name in database.url for name in hidden)
    dialect = () if "sqlite" in database.url else BY_POSTGRESQL
    return COMMON + dialect + (NAMED_DATABASE if asked else UNNAMED_DATABASE)


async def spans_of(exporter, database, engine, case):
    """Within a span of the application's; those of the driver's first questions are gone before."""
    await database.run(lambda connection: connection.execute(text("SELECT 1")), engine)
    exporter.clear()
    context = trace.set_span_in_context(trace.NonRecordingSpan(PARENT))
    token = trace.context_api.attach(context)
    try:
        if case in IN_SESSIONS:
            await database.run_session(IN_SESSIONS[case], engine)
        else:
            await database.run(IN_CONNECTIONS[case], engine)
    finally:
        trace.context_api.detach(token)
    # Upstream wraps Engine.connect, too: a connection is seen on the pool's gauges, and is no span of ours.
    return [span for span in exporter.get_finished_spans() if span.name != "connect"]


PARENT = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))


@pytest.fixture
async def fresh(database):
    """A function that empties the database."""
    engine = database.engine()

    async def empty():
        await database.run(lambda c: [c.execute(delete(orders)), c.execute(delete(users))], engine)

    return empty


@pytest.mark.parametrize("case", CASES)
async def test_the_spans_of_statements_are_upstreams_but_for_what_is_listed(spans, database, fresh, case, monkeypatch):
    use_stable_names(monkeypatch)
    engine = database.engine()
    SQLAlchemyInstrumentor().instrument(engine=getattr(engine, "sync_engine", engine), skip_dep_check=True)
    try:
        upstreams = await spans_of(spans, database, engine, case)
    finally:
        SQLAlchemyInstrumentor().uninstrument()
    disposing = engine.dispose()
    if inspect.isawaitable(disposing):
        await disposing
    await fresh()

    setup_telemetry(FastAPI())
    ours = await spans_of(spans, database, database.engine(), case)

    assert upstreams != []
    assert {span.instrumentation_scope.name for span in ours} == {"wxiai_otel"}
    assert_upstreams(case, ours, upstreams, deviations(database))


@pytest.mark.parametrize("place", ["address", "socket"])
async def test_where_the_url_names_no_server_the_driver_is_asked_as_upstream_asks_it(
    spans, postgresql_server, place, monkeypatch
):
    """The case is of a table, as any select."""
    use_stable_names(monkeypatch)
    host = "127.0.0.1" if place == "address" else postgresql_server.folder
    monkeypatch.setenv("PGHOST", host)
    monkeypatch.setenv("PGPORT", str(postgresql_server.port))
    found = {}
    for who in ("upstream", "ours"):
        engine = create_engine("postgresql+psycopg://postgres@/shop")
        if who == "upstream":
            SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
        else:
            SQLAlchemyInstrumentor().uninstrument()
            setup_telemetry(FastAPI())
        with engine.connect() as connection:
            spans.clear()
            connection.execute(text("SELECT relname FROM pg_class LIMIT :n"), {"n": 1})
        engine.dispose()
        found[who] = [span for span in spans.get_finished_spans() if span.name != "connect"]
    transport = Deviation("the transport has no stable name upstream", ("attributes.net.transport",), ("select",))
    assert_upstreams("select", found["ours"], found["upstream"], (*COMMON, *NAMED_DATABASE, transport))
    expected = host if place == "address" else f"{host}/.s.PGSQL.{postgresql_server.port}"
    assert found["ours"][0].attributes["server.address"] == expected


def test_the_tables_name_each_deviation_once():
    for listed in (COMMON + BY_POSTGRESQL + NAMED_DATABASE, COMMON + BY_POSTGRESQL + UNNAMED_DATABASE):
        pairs = [(case, field) for found in listed for case in found.cases for field in found.fields]
        assert {case for case, _ in pairs} <= set(CASES)
        assert len(pairs) == len(set(pairs))
