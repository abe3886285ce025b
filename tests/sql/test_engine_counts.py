"""Which engines are counted, and how often: all of the process, once, whoever made them and when."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy import (
    StaticPool,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from tests.asgi import request
from tests.scrape import scrape
from tests.sql.internals import _listeners, own_traffic
from tests.sql.shop import Order, User, counts, orders, three_users, users
from wxiai_otel import setup_telemetry


def test_sync_and_async_engines_side_by_side_are_counted_together(live, postgresql):
    sync = postgresql.engine()

    async def work():
        engines = [create_async_engine(postgresql.url.replace("psycopg", name)) for name in ("asyncpg", "psycopg")]
        for engine in engines:
            async with AsyncSession(engine) as session:
                await session.execute(select(User))
                with Session(sync) as inner:
                    inner.execute(select(Order))
            await engine.dispose()

    asyncio.run(work())
    assert counts(live) == {("SELECT", "users"): 2, ("SELECT", "orders"): 2}


async def test_engines_connections_and_sessions_made_before_the_setup_are_counted(database):
    engine = database.engine()
    await database.run(lambda connection: connection.execute(select(users)), engine)

    telemetry = setup_telemetry(FastAPI())
    await database.run(lambda connection: connection.execute(select(users)), engine)
    await database.run(lambda connection: connection.execute(select(orders)))
    assert counts(telemetry) == {("SELECT", "users"): 1, ("SELECT", "orders"): 1}


def test_a_connection_that_was_open_before_the_setup_is_counted(sqlite):
    with sqlite.engine().connect() as connection:
        connection.execute(select(users))
        telemetry = setup_telemetry(FastAPI())
        connection.execute(select(orders))
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))
    assert counts(telemetry) == {("SELECT", "orders"): 1, ("SELECT", "nowhere"): 1}


async def test_an_engine_with_options_of_its_own_is_counted_once(live, database):
    engine = database.engine().execution_options(schema_translate_map={None: None})
    again = engine.execution_options(compiled_cache=None)
    await database.run(lambda connection: connection.execute(select(users)), engine)
    await database.run(lambda connection: connection.execute(select(users)), again)
    assert counts(live) == {("SELECT", "users"): 2}
    assert len(scrape(live).series("db_connection_pool_usage", "pool")) == 1


def test_n_threads_are_n_times_the_statements(live, postgresql, postgresql_server):
    engine = postgresql.engine(pool_size=8)
    with engine.begin() as connection:
        three_users(connection)

    def work():
        for n in range(50):
            with engine.begin() as connection:
                connection.execute(select(users)).all()
                connection.exec_driver_sql(f"UPDATE users SET name = name WHERE id = {n}")

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work) for _ in range(8)]:
            future.result()
    assert counts(live) == {("INSERT", "users"): 1, ("SELECT", "users"): 400, ("UPDATE", "users"): 400}
    assert (postgresql_server.calls("SELECT", "users"), postgresql_server.calls("UPDATE", "users")) == (400, 400)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_concurrent_tasks_are_each_counted(live, postgresql, postgresql_server, driver):
    engine = create_async_engine(postgresql.url.replace("psycopg", driver), pool_size=10)

    async def work(n):
        async with engine.begin() as connection:
            await connection.execute(insert(users).values(name=f"n{n}"))
            await connection.execute(select(users).where(users.c.id == n))

    await asyncio.gather(*(work(n) for n in range(200)))
    await engine.dispose()
    assert counts(live) == {("INSERT", "users"): 200, ("SELECT", "users"): 200}
    assert (postgresql_server.calls("INSERT", "users"), postgresql_server.calls("SELECT", "users")) == (200, 200)


@pytest.fixture
def threads_that_switch_often():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_that_open_an_engine_at_the_same_time_are_counted_and_traced_once(
    spans, live, tmp_path, threads_that_switch_often
):
    """An engine is met at its first connection, and that may be several at once."""
    engines = [create_engine(f"sqlite:///{tmp_path}/same.db") for _ in range(10)]
    together = threading.Barrier(8, timeout=10)

    def work():
        for engine in engines:
            together.wait()
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work) for _ in range(8)]:
            future.result()
    assert counts(live) == {("SELECT", "unknown"): 80}
    assert len(spans.get_finished_spans()) == 80
    assert len(scrape(live).series("db_connection_pool_usage", "pool")) == 10
    for engine in engines:
        engine.dispose()


async def test_after_the_shutdown_nothing_is_counted(database):
    telemetry = setup_telemetry(FastAPI())
    engine = database.engine()
    await database.run(lambda connection: connection.execute(select(users)), engine)
    telemetry.shutdown()
    await database.run(lambda connection: connection.execute(select(users)), engine)
    again = setup_telemetry(FastAPI())
    assert counts(again) == {}
    await database.run(lambda connection: connection.execute(select(users)), engine)
    assert counts(again) == {("SELECT", "users"): 1}


async def test_our_own_traffic_is_neither_counted_nor_traced(spans, live, database):
    engine = database.engine()

    async def ours():
        with own_traffic():
            await database.run(three_users, engine)
            with pytest.raises(DBAPIError):
                await database.run(lambda connection: connection.execute(text("SELECT * FROM nowhere")), engine)

    await ours()
    assert counts(live) == {}
    assert spans.get_finished_spans() == ()
    await database.run(lambda connection: connection.execute(select(users)), engine)
    assert counts(live) == {("SELECT", "users"): 1}


async def test_what_sqlalchemy_and_the_pool_ask_by_themselves_is_not_counted(live, database):
    """Of the dialect when it first connects, of each connection before it is given out, in the connect event."""
    engine = database.engine(pool_pre_ping=True)

    def greet(connection, _record):
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")

    event.listen(getattr(engine, "sync_engine", engine), "connect", greet)
    for _ in range(3):
        await database.run(lambda connection: connection.execute(select(users)), engine)
    assert counts(live) == {("SELECT", "users"): 3}


def test_a_raw_connection_is_the_drivers_and_not_counted(live, sqlite):
    with closing(sqlite.engine().raw_connection()) as connection:
        connection.cursor().execute("SELECT 1")
    assert counts(live) == {}


def test_listeners_of_the_application_change_no_count(live, sqlite):
    """One that rewrites statements, one that answers in the driver's place, one that runs another statement."""
    engine = sqlite.engine()

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def comment(_connection, _cursor, statement, parameters, _context, _many):
        return f"/* from a.b */ {statement}", parameters

    @event.listens_for(engine, "after_cursor_execute")
    def audit(connection, _cursor, statement, _parameters, _context, _many):
        if "users" in statement:
            connection.execute(select(orders))

    with engine.begin() as connection:
        connection.execute(insert(users).values(name="a"))
        connection.exec_driver_sql("SELECT name FROM users")
    assert counts(live) == {("INSERT", "users"): 1, ("SELECT", "users"): 1, ("SELECT", "orders"): 2}


@pytest.mark.parametrize("poolclass", [None, StaticPool])
def test_a_database_in_memory_is_counted(live, poolclass):
    engine = create_engine("sqlite://", poolclass=poolclass)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id integer)")
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM t"))
    assert counts(live) == {("CREATE", "t"): 1, ("SELECT", "t"): 1}
    engine.dispose()


def test_tables_beyond_the_bound_are_other(sqlite):
    telemetry = setup_telemetry(FastAPI(), max_tables=2)
    with sqlite.engine().connect() as connection:
        for n in range(5):
            connection.exec_driver_sql(f"CREATE TABLE t{n} (id integer)")
        connection.exec_driver_sql("SELECT id FROM t0")
    assert counts(telemetry) == {
        ("CREATE", "t0"): 1,
        ("CREATE", "t1"): 1,
        ("CREATE", "other"): 3,
        ("SELECT", "t0"): 1,
    }


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_n_requests_are_n_times_their_statements(postgresql, postgresql_server, asynchronous):
    """The usual application: a session for each request, by a dependency, committed at its end."""
    app = FastAPI()
    if asynchronous:
        engine = create_async_engine(postgresql.url.replace("psycopg", "asyncpg"))
        make = async_sessionmaker(engine)

        async def session():
            async with make() as opened:
                yield opened
                await opened.commit()

        @app.post("/users/{name}")
        async def create(name: str, db: Annotated[AsyncSession, Depends(session)]):
            user = User(name=name, orders=[Order(), Order()])
            db.add(user)
            await db.flush()
            return len((await db.scalars(select(Order).where(Order.user_id == user.id))).all())

    else:
        engine = postgresql.engine()
        make = sessionmaker(engine)

        def session():
            with make() as opened:
                yield opened
                opened.commit()

        @app.post("/users/{name}")
        def create(name: str, db: Annotated[Session, Depends(session)]):
            user = User(name=name, orders=[Order(), Order()])
            db.add(user)
            db.flush()
            return len(db.scalars(select(Order).where(Order.user_id == user.id)).all())

    telemetry = setup_telemetry(app)
    answers = await asyncio.gather(*(request(app, "POST", f"/users/n{n}") for n in range(60)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"2")}
    assert [
        postgresql_server.calls(*key) for key in (("INSERT", "users"), ("INSERT", "orders"), ("SELECT", "orders"))
    ] == [60] * 3
    again = await request(app, "POST", "/users/n0")
    assert isinstance(again.raised, IntegrityError)
    assert counts(telemetry) == {("INSERT", "users"): 61, ("INSERT", "orders"): 60, ("SELECT", "orders"): 60}
    if asynchronous:
        await engine.dispose()


def test_an_application_that_has_instrumented_sqlalchemy_itself_gets_exact_counts(sqlite):
    engine = sqlite.engine()
    SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
    try:
        telemetry = setup_telemetry(FastAPI())
        with engine.begin() as connection:
            three_users(connection)
            connection.execute(select(users))
        assert counts(telemetry) == {("INSERT", "users"): 1, ("SELECT", "users"): 1}
    finally:
        SQLAlchemyInstrumentor().uninstrument()


def test_nothing_is_listened_to_when_sql_is_switched_off(sqlite):
    telemetry = setup_telemetry(FastAPI(), sql=False)
    with sqlite.engine().connect() as connection:
        connection.execute(select(users))
    assert counts(telemetry) == {}
    assert not _listeners._listening
