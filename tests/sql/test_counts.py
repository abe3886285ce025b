"""Each execution of a cursor is counted once, whichever engine it went through."""

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Sequence,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.otlp import http_receiver
from tests.sql.shop import Order, User, cancel_a_statement, counts, three_users, users
from wxiai_otel import setup_telemetry


async def test_each_core_statement_is_counted_by_its_operation_and_table(live, database):
    def work(connection):
        connection.execute(insert(users).values(name="a"))
        connection.execute(select(users)).all()
        connection.execute(select(users).where(users.c.id == 7)).all()
        connection.execute(update(users).values(name="b"))
        connection.execute(delete(users))

    await database.run(work)
    assert counts(live) == {
        ("INSERT", "users"): 1,
        ("SELECT", "users"): 2,
        ("UPDATE", "users"): 1,
        ("DELETE", "users"): 1,
    }


async def test_many_rows_in_one_execution_are_one(live, database):
    await database.run(three_users)
    assert counts(live) == {("INSERT", "users"): 1}


async def test_each_batch_of_rows_that_are_returned_is_one(live, database):
    def work(connection):
        rows = [{"name": f"n{n}"} for n in range(25)]
        statement = insert(users).returning(users.c.id)
        assert (
            len(connection.execute(statement, rows, execution_options={"insertmanyvalues_page_size": 10}).all()) == 25
        )

    await database.run(work)
    assert counts(live) == {("INSERT", "users"): 3}


async def test_a_flush_of_a_session_is_counted_as_it_is_sent(live, database):
    def work(session):
        session.add_all(User(name=f"n{n}", orders=[Order(), Order()]) for n in range(5))
        session.flush()
        session.scalars(select(User)).first().name = "changed"
        session.flush()
        session.expunge_all()
        session.delete(session.get_one(Order, 1))

    await database.run_session(work)
    in_batches = "postgresql" in database.url  # for SQLite a batch is one row
    assert counts(live) == {
        ("INSERT", "users"): 1 if in_batches else 5,
        ("INSERT", "orders"): 1 if in_batches else 10,
        ("SELECT", "users"): 1,
        ("UPDATE", "users"): 1,
        ("SELECT", "orders"): 1,
        ("DELETE", "orders"): 1,
    }


async def test_the_bulk_methods_of_a_session_are_counted_as_they_are_sent(live, database):
    def work(session):
        session.bulk_insert_mappings(User, [{"id": n, "name": f"n{n}"} for n in range(1, 4)])
        session.bulk_save_objects([User(id=n, name=f"n{n}") for n in range(4, 6)])
        session.bulk_update_mappings(User, [{"id": n, "name": f"m{n}"} for n in range(1, 6)])
        session.execute(update(User), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])

    await database.run_session(work)
    assert counts(live) == {("INSERT", "users"): 2, ("UPDATE", "users"): 2}


async def test_statements_given_as_text_are_counted_like_built_ones(live, database):
    def work(connection):
        three_users(connection)
        connection.execute(text("select name from users where id = :id"), {"id": 1}).all()
        connection.exec_driver_sql("UPDATE users SET name = 'x' WHERE id = 1")
        connection.exec_driver_sql("CREATE TABLE extra (id integer)")
        connection.exec_driver_sql("DROP TABLE extra")

    await database.run(work)
    assert counts(live) == {
        ("INSERT", "users"): 1,
        ("SELECT", "users"): 1,
        ("UPDATE", "users"): 1,
        ("CREATE", "extra"): 1,
        ("DROP", "extra"): 1,
    }


async def test_savepoints_are_statements_and_transactions_are_not(live, database):
    def work(connection):
        with connection.begin_nested():
            three_users(connection)
        with connection.begin_nested() as nested:
            nested.rollback()

    await database.run(work)
    assert counts(live) == {
        ("SAVEPOINT", "unknown"): 2,
        ("INSERT", "users"): 1,
        ("RELEASE", "unknown"): 1,
        ("ROLLBACK", "unknown"): 1,
    }


def test_the_two_phases_of_a_transaction_are_calls_of_the_driver_and_no_statements(live, postgresql):
    with postgresql.engine().connect() as connection, connection.begin_twophase() as transaction:
        three_users(connection)
        transaction.prepare()
    assert counts(live) == {("INSERT", "users"): 1}


async def test_reading_row_by_row_is_one_statement(live, database):
    def work(connection):
        three_users(connection)
        result = connection.execution_options(stream_results=True, yield_per=1).execute(select(users))
        assert len(list(result)) == 3
        session = Session(connection)
        assert len(list(session.scalars(select(User).execution_options(yield_per=1)))) == 3

    await database.run(work)
    assert counts(live) == {("INSERT", "users"): 1, ("SELECT", "users"): 2}


@pytest.mark.parametrize("driver", ["aiosqlite", "psycopg_async", "asyncpg"])
async def test_an_asyncio_stream_is_one_statement(live, postgresql, tmp_path, driver):
    if driver == "aiosqlite":
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/s.db")
    else:
        engine = create_async_engine(postgresql.url.replace("psycopg", driver))
    async with engine.connect() as connection:
        result = await connection.stream(text("SELECT 1 UNION SELECT 2"))
        assert len([row async for row in result]) == 2
    async with AsyncSession(engine) as session:
        assert len([x async for x in await session.stream_scalars(text("SELECT 1 UNION SELECT 2"))]) == 2
    await engine.dispose()
    assert counts(live) == {("SELECT", "unknown"): 2}


async def test_a_value_that_the_database_gives_beforehand_is_a_statement_of_its_own(live, postgresql):
    numbers = Sequence("numbers")
    key = Column("id", Integer, numbers, primary_key=True)
    numbered = Table("users", MetaData(), key, Column("name"), implicit_returning=False)

    def work(connection):
        connection.exec_driver_sql("CREATE SEQUENCE numbers")
        connection.execute(insert(numbered).values(name="a"))
        assert connection.scalar(numbers) == 2

    await postgresql.run(work)
    assert counts(live) == {
        ("CREATE", "unknown"): 1,
        ("SELECT", "unknown"): 2,
        ("INSERT", "users"): 1,
    }


async def test_a_default_that_is_a_query_is_a_statement_of_its_own(live, sqlite):
    source = Table("orders", MetaData(), Column("id", Integer))
    next_id = select(func.coalesce(func.max(source.c.id), 0) + 1).scalar_subquery()
    key = Column("id", Integer, primary_key=True, default=next_id)
    numbered = Table("users", MetaData(), key, Column("name"), implicit_returning=False)
    await sqlite.run(lambda connection: connection.execute(insert(numbered).values(name="a")))
    assert counts(live) == {("SELECT", "orders"): 1, ("INSERT", "users"): 1}


async def test_what_fails_is_counted_once(live, database):
    engine = database.engine()

    async def fails(expected, statement, *parameters):
        with pytest.raises(expected):
            await database.run(lambda connection: connection.execute(statement, *parameters), engine)

    await database.run(lambda connection: connection.execute(insert(users).values(id=1, name="a")), engine)
    await fails(IntegrityError, insert(users).values(id=1, name="b"))
    await fails(DBAPIError, insert(users), [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])
    await fails(DBAPIError, text("SELECT * FROM nowhere"))
    await fails(DBAPIError, text("SELEKT 1"))
    assert counts(live) == {("INSERT", "users"): 3, ("SELECT", "nowhere"): 1, ("other", "unknown"): 1}


async def test_a_statement_that_was_never_sent_is_not_counted(live, database):
    def without_its_parameter(connection):
        connection.execute(text("SELECT :missing"))

    with pytest.raises(StatementError):
        await database.run(without_its_parameter)
    assert counts(live) == {}


async def test_a_statement_is_counted_once_also_where_reading_its_rows_fails(live, postgresql):
    def work(connection):
        result = connection.execution_options(stream_results=True, max_row_buffer=1).execute(
            text("SELECT 1 / (3 - n) FROM generate_series(1, 3) AS n")
        )
        with pytest.raises(DBAPIError):
            result.all()

    with postgresql.engine().connect() as connection:
        work(connection)
    assert counts(live) == {("SELECT", "unknown"): 1}


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_a_cancelled_statement_is_counted(live, postgresql_server, driver):
    task = await cancel_a_statement(postgresql_server, driver)
    assert task.cancelled()
    assert counts(live) == {("SELECT", "unknown"): 1}


@pytest.mark.parametrize("database", ["pysqlite", "psycopg", "asyncpg"], indirect=True)
async def test_the_class_of_an_error_and_the_system_go_out(database):
    kind = "sqlite" if "sqlite" in database.url else "postgresql"
    with http_receiver() as received:
        telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url)
        engine = database.engine()
        await database.run(lambda connection: connection.execute(insert(users).values(id=1, name="a")), engine)
        with pytest.raises(IntegrityError) as failure:
            await database.run(lambda connection: connection.execute(insert(users).values(id=1, name="b")), engine)
        assert telemetry.force_flush(30)
        points = received.points("db.client.operation.duration")
    found = {
        tuple(sorted((item.key, item.value.string_value) for item in point.attributes)): point.count for point in points
    }
    shared = (("db.collection.name", "users"), ("db.operation.name", "INSERT"), ("db.system.name", kind))
    cause = failure.value.orig.__cause__ if "asyncpg" in database.url else failure.value.orig
    failed = tuple(sorted((*shared, ("error.type", type(cause).__name__))))
    assert found == {shared: 1, failed: 1}
