"""One span for each statement, by the stable conventions, without literals, messages or users."""

import asyncio
from contextlib import suppress

import pytest
import sqlalchemy
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.asgi import get
from tests.sql.shop import Order, User, cancel_a_statement, counts, orders, users
from wxiai_otel import setup_telemetry

SECRET = "s3cret"


@pytest.fixture
def traced(spans, live):
    """The exporter, with the telemetry set up behind it."""
    return spans


def only(exporter):
    (span,) = exporter.get_finished_spans()
    return span


def names(exporter):
    return [span.name for span in exporter.get_finished_spans()]


def assert_no_secret(exporter):
    for span in exporter.get_finished_spans():
        assert SECRET not in span.to_json()


async def test_a_statement_is_a_client_span_by_the_stable_names(traced, database):
    await database.run(lambda connection: connection.execute(select(users.c.id).where(users.c.name == SECRET)))
    span = only(traced)
    assert span.name == "SELECT users"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()
    attributes = dict(span.attributes)
    assert (
        attributes.pop("db.query.text").replace("\n", "").startswith("SELECT users.id FROM users WHERE users.name = ")
    )
    if "sqlite" in database.url:
        where = {"db.system.name": "sqlite", "db.namespace": database.url.partition(":///")[2]}
    else:
        where = {
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "server.address": "127.0.0.1",
            "server.port": int(database.url.rpartition(":")[2].partition("/")[0]),
        }
    assert attributes == {"db.operation.name": "SELECT", "db.collection.name": "users", **where}
    assert_no_secret(traced)


async def test_every_statement_is_exactly_one_finished_span(spans, database):
    started = []

    class Starts:
        def on_start(self, span, parent_context=None):
            started.append(span)

        def __getattr__(self, _name):
            return lambda *_args, **_options: True

    trace.get_tracer_provider().add_span_processor(Starts())
    setup_telemetry(FastAPI())

    def work(session):
        session.add(User(id=1, name="a", orders=[Order(), Order()]))
        session.flush()
        session.execute(text("UPDATE users SET name = 'b'"))
        session.scalars(select(Order)).all()

    await database.run_session(work)
    expected = ["INSERT users", "INSERT orders", "UPDATE users", "SELECT orders"]
    if "sqlite" in database.url:
        expected.insert(1, "INSERT orders")  # for SQLite a batch is one row
    assert names(spans) == expected
    assert len(started) == len(expected)


def test_the_text_has_no_literals(traced, sqlite):
    with sqlite.engine().connect() as connection:
        connection.exec_driver_sql(f"SELECT id, '{SECRET}', 42 FROM users -- {SECRET}")
    span = only(traced)
    assert span.attributes["db.query.text"] == "SELECT id, ?, ? FROM users"
    assert_no_secret(traced)


def test_a_statement_without_a_table_is_named_by_its_operation(traced, sqlite):
    with sqlite.engine().connect() as connection:
        connection.execute(text("SELECT 1"))
    span = only(traced)
    assert span.name == "SELECT"
    assert "db.collection.name" not in span.attributes


@pytest.mark.parametrize("constructs_first", [True, False])
def test_the_same_text_is_described_by_how_it_was_made(traced, sqlite, constructs_first):
    long = Table("t" * 130, MetaData(), Column("id", Integer))  # no name, where it is read from a text
    with sqlite.engine().connect() as connection:
        long.create(connection)
        query = select(long.c.id)
        made = {
            f"SELECT {long.name}": lambda: connection.execute(query),
            "SELECT": lambda: connection.exec_driver_sql(str(query.compile(connection))),
        }
        traced.clear()
        expected = list(made) if constructs_first else list(reversed(made))
        for name in expected * 2:
            made[name]()
    assert names(traced) == expected * 2
    assert len({span.attributes["db.query.text"] for span in traced.get_finished_spans()}) == 1


async def test_an_error_is_its_class_and_sqlstate_and_nothing_of_its_message(traced, database):
    engine = database.engine()
    for _ in range(2):
        with suppress(DBAPIError):
            await database.run(lambda connection: connection.execute(insert(users).values(id=1, name=SECRET)), engine)
    good, duplicate = traced.get_finished_spans()
    assert good.status.status_code is StatusCode.UNSET
    if "sqlite" in database.url:
        expected, code = "IntegrityError", None
    else:
        expected, code = ("UniqueViolationError" if "asyncpg" in database.url else "UniqueViolation"), "23505"
    assert duplicate.status.status_code is StatusCode.ERROR
    assert duplicate.status.description == (f"{expected} {code}" if code else expected)
    assert duplicate.attributes["error.type"] == expected
    assert duplicate.attributes.get("db.response.status_code") == code
    assert duplicate.events == ()
    assert_no_secret(traced)


async def test_no_user_or_password_of_the_database_is_on_a_span(traced, postgresql_server):
    for driver in ("psycopg", "asyncpg"):
        url = postgresql_server.url(driver).replace("postgres@", f"postgres:{SECRET}@")
        if driver == "psycopg":
            engine = create_engine(url)
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            engine.dispose()
        else:
            engine = create_async_engine(url)
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
            await engine.dispose()
    assert len(traced.get_finished_spans()) == 2
    for span in traced.get_finished_spans():
        assert "postgres" not in [str(value) for value in span.attributes.values()]
    assert_no_secret(traced)


def test_a_failure_in_reading_rows_comes_after_the_span_and_makes_no_noise(traced, postgresql, caplog):
    with postgresql.engine().connect() as connection:
        rows = connection.execution_options(stream_results=True, max_row_buffer=2).execute(
            text("SELECT 1 / (100 - i) FROM generate_series(1, 100) AS i")
        )
        with rows, pytest.raises(DBAPIError):
            rows.all()
    assert only(traced).status.status_code is StatusCode.UNSET
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


async def test_a_cancelled_statement_ends_its_span(traced, postgresql_server):
    task = await cancel_a_statement(postgresql_server, "asyncpg")
    assert task.cancelled()
    assert only(traced).attributes["error.type"] == "CancelledError"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_statement_in_a_request_is_a_child_of_its_server_span(
    spans, postgresql, postgresql_server, asynchronous
):
    app = FastAPI()
    if asynchronous:
        engine = create_async_engine(postgresql_server.url("asyncpg"))

        @app.get("/")
        async def read():
            async with AsyncSession(engine) as session:
                await session.execute(select(User))
    else:
        engine = postgresql.engine()

        @app.get("/")
        def read():
            with Session(engine) as session:
                session.execute(select(User))

    setup_telemetry(app)
    await asyncio.gather(*(get(app, "/") for _ in range(5)))
    if asynchronous:
        await engine.dispose()
    finished = spans.get_finished_spans()
    requests = {span.context.span_id for span in finished if span.name == "GET /"}
    parents = [span.parent.span_id for span in finished if span.name == "SELECT users"]
    assert len(requests) == len(parents) == 5
    assert set(parents) == requests


def test_a_statement_is_no_parent_of_what_comes_after_it(traced, sqlite):
    tracer = trace.get_tracer("of the application")
    with sqlite.engine().connect() as connection, tracer.start_as_current_span("outer") as outer:
        connection.execute(select(users))
        connection.execute(select(orders))
        assert trace.get_current_span() is outer
    first, second, last = traced.get_finished_spans()
    assert last.name == "outer"
    assert {first.parent.span_id, second.parent.span_id} == {last.context.span_id}


async def test_an_engine_from_before_the_setup_is_traced(spans, database):
    engine = database.engine()
    await database.run(lambda connection: connection.execute(select(users)), engine)
    setup_telemetry(FastAPI())
    await database.run(lambda connection: connection.execute(select(orders)), engine)
    assert names(spans) == ["SELECT orders"]


def test_a_connection_from_before_the_setup_is_traced(spans, sqlite):
    with sqlite.engine().connect() as connection:
        setup_telemetry(FastAPI())
        connection.execute(select(orders))
    assert names(spans) == ["SELECT orders"]


def test_an_engine_with_options_of_its_own_is_traced_once(traced, sqlite):
    engine = sqlite.engine().execution_options(a=1)
    with engine.execution_options(b=2).connect() as connection:
        connection.execute(select(users))
    assert names(traced) == ["SELECT users"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_application_that_has_instrumented_sqlalchemy_itself_keeps_its_spans(spans, sqlite, asynchronous):
    before = len(EngineTracer._remove_event_listener_params)
    if asynchronous:
        engine = create_async_engine(sqlite.url.replace("pysqlite", "aiosqlite"))
        SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine, skip_dep_check=True)
    else:
        SQLAlchemyInstrumentor().instrument(skip_dep_check=True)
        engine = sqlalchemy.create_engine(sqlite.url)  # upstream wraps this name
    try:
        telemetry = setup_telemetry(FastAPI())

        async def work():
            if asynchronous:
                async with engine.connect() as connection:
                    await connection.execute(select(users))
            else:
                with engine.connect() as connection:
                    connection.execute(select(users))

        await work()
        statements = [span for span in spans.get_finished_spans() if span.name != "connect"]
        assert [span.instrumentation_scope.name for span in statements] == ["opentelemetry.instrumentation.sqlalchemy"]
        assert counts(telemetry) == {("SELECT", "users"): 1}
        telemetry.shutdown()
        spans.clear()
        await work()
        assert len([span for span in spans.get_finished_spans() if span.name != "connect"]) == 1
        disposing = engine.dispose()
        if disposing is not None:
            await disposing
    finally:
        SQLAlchemyInstrumentor().uninstrument()
    assert len(EngineTracer._remove_event_listener_params) <= before


async def test_after_the_shutdown_nothing_is_traced_and_a_new_setup_traces_once(spans, database):
    engine = database.engine()
    select_users = lambda connection: connection.execute(select(users))  # noqa: E731
    telemetry = setup_telemetry(FastAPI())
    await database.run(select_users, engine)
    disposing = engine.dispose()
    if disposing is not None:
        await disposing
    telemetry.shutdown()
    await database.run(select_users, engine)
    assert names(spans) == ["SELECT users"]
    setup_telemetry(FastAPI())
    await database.run(select_users, engine)
    assert names(spans) == ["SELECT users"] * 2


def test_no_listener_stays_on_an_engine(traced, sqlite):
    """Another thread may be going through them while they are added."""
    before = len(EngineTracer._remove_event_listener_params)
    engine = sqlite.engine()
    with engine.connect() as connection:
        connection.execute(select(users))
    assert len(traced.get_finished_spans()) == 1
    assert len(EngineTracer._remove_event_listener_params) == before
    for name in ("before_cursor_execute", "after_cursor_execute"):
        assert list(getattr(engine.dispatch, name).listeners) == []


def test_spans_that_are_not_sampled_change_no_count(sqlite):
    trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
    telemetry = setup_telemetry(FastAPI())
    with sqlite.engine().connect() as connection:
        connection.execute(select(users))
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))
    assert counts(telemetry) == {("SELECT", "users"): 1, ("SELECT", "nowhere"): 1}
