"""A deadlock is counted once for each victim, by the driver's own code, and for the pool of its engine."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.scrape import scrape
from tests.sql.internals import is_deadlock, own_traffic, sqlstate
from tests.sql.shop import counts

LOCK = text("SELECT pg_advisory_xact_lock(:n)")
LATE = text("SELECT CASE WHEN i = 500 THEN pg_advisory_xact_lock(:n)::text END FROM generate_series(1, 500) AS i")


def deadlocks(telemetry):
    return scrape(telemetry).series("db_deadlocks_total", "pool")


def locking(engine, together, mine, others):
    """Take one lock, and when the other thread has its own, that one too; the SQLSTATE where it fails."""
    with engine.connect() as connection:
        connection.execute(LOCK, {"n": mine})
        together.wait()
        try:
            connection.execute(LOCK, {"n": others})
            connection.commit()
        except DBAPIError as failure:
            return sqlstate(failure.orig)
    return None


def test_a_deadlock_of_two_threads_has_one_victim(live, postgresql):
    engine = postgresql.engine()
    for times in (1, 2):
        together = threading.Barrier(2, timeout=10)
        with ThreadPoolExecutor(2) as threads:
            outcomes = list(threads.map(locking, [engine] * 2, [together] * 2, (1, 2), (2, 1)))
        assert sorted(outcomes, key=str) == ["40P01", None]
        assert deadlocks(live) == {("postgresql/shop",): times}
    assert counts(live) == {("SELECT", "unknown"): 8}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
async def test_a_deadlock_of_two_tasks_has_one_victim(live, postgresql_server, driver):
    engine = create_async_engine(postgresql_server.url(driver))
    together = asyncio.Barrier(2)

    async def work(mine, others):
        async with engine.connect() as connection:
            await connection.execute(LOCK, {"n": mine})
            await together.wait()
            try:
                await connection.execute(LOCK, {"n": others})
            except DBAPIError as failure:
                return sqlstate(failure.orig)

    outcomes = await asyncio.gather(work(1, 2), work(2, 1))
    await engine.dispose()
    assert sorted(outcomes, key=str) == ["40P01", None]
    assert deadlocks(live) == {("postgresql/shop",): 1}
    assert counts(live) == {("SELECT", "unknown"): 4}


@pytest.mark.parametrize("where", ["commit", "fetch"])
def test_a_deadlock_outside_the_execution_of_a_statement_is_counted(live, postgresql, postgresql_server, where):
    """In a COMMIT that checks what was deferred, and while rows are read."""
    engine = postgresql.engine()
    postgresql_server.ask(
        "CREATE FUNCTION lock_other() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(NEW.id); RETURN NEW; END'",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION lock_other()",
    )
    together = threading.Barrier(2, timeout=10)

    def work(mine, others):
        with engine.connect() as connection:
            connection.execute(LOCK, {"n": mine})
            if where == "commit":
                connection.execute(text("INSERT INTO orders (id) VALUES (:n)"), {"n": others})
            else:
                reading = connection.execution_options(stream_results=True, max_row_buffer=10)
                rows = reading.execute(LATE, {"n": others})
            together.wait()
            try:
                if where == "commit":
                    connection.commit()
                else:
                    with rows:
                        rows.all()
            except DBAPIError as failure:
                return sqlstate(failure.orig)

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(work, (1, 2), (2, 1)))
    assert sorted(outcomes, key=str) == ["40P01", None]
    assert deadlocks(live) == {("postgresql/shop",): 1}


def test_each_pools_deadlocks_begin_at_zero(live, sqlite, postgresql):
    for engine in (sqlite.engine(), sqlite.engine(), postgresql.engine()):
        engine.connect().close()
    assert deadlocks(live) == {("sqlite/shop.db",): 0, ("sqlite/shop.db#2",): 0, ("postgresql/shop",): 0}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_locked_table_in_a_shared_cache_of_sqlite_is_a_deadlock(live, asynchronous):
    where = ":///file:shared?mode=memory&cache=shared&uri=true"
    keeper = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True)
    keeper.execute("CREATE TABLE t (id integer)")
    keeper.commit()
    keeper.execute("INSERT INTO t VALUES (1)")
    if asynchronous:
        engine = create_async_engine(f"sqlite+aiosqlite{where}", poolclass=NullPool)
        with pytest.raises(DBAPIError, match="locked"):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT id FROM t"))
        await engine.dispose()
    else:
        engine = create_engine(f"sqlite{where}", poolclass=NullPool)
        with pytest.raises(DBAPIError, match="locked"), engine.connect() as connection:
            connection.execute(text("SELECT id FROM t"))
        engine.dispose()
    keeper.close()
    assert list(deadlocks(live).values()) == [1]
    assert counts(live) == {("SELECT", "t"): 1}


def test_a_busy_sqlite_is_no_deadlock(live, sqlite):
    engine = sqlite.engine(connect_args={"timeout": 0})
    with engine.connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        with engine.connect() as other, pytest.raises(DBAPIError, match="locked") as failure:
            other.exec_driver_sql("BEGIN IMMEDIATE")
    assert failure.value.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY
    assert deadlocks(live) == {("sqlite/shop.db",): 0}


def test_other_errors_are_no_deadlocks(live, postgresql):
    engine = postgresql.engine()
    for statement in ("SELECT * FROM nowhere", "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END$$"):
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(statement))
    assert deadlocks(live) == {("postgresql/shop",): 0}


def test_a_deadlock_of_our_own_traffic_is_not_counted(live, postgresql):
    engine = postgresql.engine()
    raising = text("DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END$$")
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(raising)
    with engine.connect() as connection, own_traffic(), pytest.raises(DBAPIError):
        connection.execute(raising)
    assert deadlocks(live) == {("postgresql/shop",): 1}


class PymysqlError(Exception):
    """As of pymysql, mysqlclient, aiomysql and asyncmy: the number is the first argument."""


class ConnectorError(Exception):
    """As of mysql-connector and mariadb: the number is an attribute."""

    def __init__(self, errno):
        super().__init__(f"{errno} (40001): Deadlock found when trying to get lock")
        self.errno = errno


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (PymysqlError(1213, "Deadlock found when trying to get lock; try restarting transaction"), True),
        (PymysqlError(1205, "Lock wait timeout exceeded"), False),
        (PymysqlError(), False),
        (ConnectorError(1213), True),
        (ConnectorError(1205), False),
    ],
)
def test_mysqls_number_of_a_deadlock_is_one(dialect, exception, expected):
    assert is_deadlock(dialect, exception) is expected
    assert not is_deadlock("postgresql", exception)


def test_a_deadlock_that_the_application_makes_another_exception_of_is_counted(live, postgresql):
    engine = postgresql.engine()

    @event.listens_for(engine, "handle_error")
    def translate(_failure):
        return LookupError("of the application's")

    with engine.connect() as connection, pytest.raises(LookupError):
        connection.execute(text("DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END$$"))
    assert deadlocks(live) == {("postgresql/shop",): 1}
