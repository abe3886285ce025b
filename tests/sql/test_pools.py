"""What each connection pool can give out, and what is checked out of it."""

import asyncio
import gc
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, event, exc, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AssertionPool, NullPool, QueuePool, SingletonThreadPool, StaticPool

from tests.scrape import scrape
from tests.sql.shop import users
from wxiai_otel import setup_telemetry


def sizes(telemetry):
    return {pool: value for (pool,), value in scrape(telemetry).series("db_connection_pool_size", "pool").items()}


def usage(telemetry):
    return {pool: value for (pool,), value in scrape(telemetry).series("db_connection_pool_usage", "pool").items()}


def touched(engine):
    """Pools are seen at their engine's first connection."""
    engine.connect().close()
    return engine


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 15),
        ({"pool_size": 3, "max_overflow": 4}, 7),
        ({"pool_size": 3, "max_overflow": 0}, 3),
        ({"pool_size": 3, "max_overflow": -1}, None),
        ({"pool_size": 0}, None),
        ({"poolclass": QueuePool, "pool_size": 2}, 12),
        ({"poolclass": NullPool}, None),
        ({"poolclass": StaticPool}, None),
        ({"poolclass": SingletonThreadPool}, None),
        ({"poolclass": AssertionPool}, 1),
    ],
    ids=str,
)
def test_a_pool_shows_its_size_where_it_has_one_and_its_usage(live, sqlite, options, size):
    engine = touched(sqlite.engine(**options))
    assert sizes(live) == ({} if size is None else {"sqlite/shop.db": size})
    for _ in range(2):
        assert usage(live) == {"sqlite/shop.db": 0}
        with engine.connect():
            assert usage(live) == {"sqlite/shop.db": 1}
    assert usage(live) == {"sqlite/shop.db": 0}


@pytest.mark.parametrize("options", [{}, {"max_overflow": -1}, {"pool_size": 0}, {"poolclass": NullPool}], ids=str)
def test_usage_is_every_connection_that_is_out(live, sqlite, options):
    engine = sqlite.engine(**options)
    with ExitStack() as out:
        for n in range(1, 8):
            out.enter_context(engine.connect())
            assert usage(live) == {"sqlite/shop.db": n}
    assert usage(live) == {"sqlite/shop.db": 0}


@pytest.mark.parametrize("poolclass", [QueuePool, NullPool, StaticPool, SingletonThreadPool, AssertionPool])
def test_usage_is_right_after_invalidating_detaching_disposing_and_forgetting(live, sqlite, poolclass):
    engine = sqlite.engine(poolclass=poolclass)
    with engine.connect() as connection:
        connection.invalidate()
    assert usage(live) == {"sqlite/shop.db": 0}
    connection = engine.connect()
    connection.detach()
    assert usage(live) == {"sqlite/shop.db": 0}
    connection.close()
    engine.dispose()
    assert usage(live) == {"sqlite/shop.db": 0}
    with engine.connect():
        assert usage(live) == {"sqlite/shop.db": 1}
    raw = engine.raw_connection()
    assert usage(live) == {"sqlite/shop.db": 1}
    raw.close()
    assert usage(live) == {"sqlite/shop.db": 0}


def test_a_connection_that_comes_back_to_a_pool_that_was_disposed_of_is_not_missed(live, sqlite):
    engine = sqlite.engine(poolclass=NullPool)
    with engine.connect():
        engine.dispose()
        with engine.connect():
            assert usage(live) == {"sqlite/shop.db": 1}
    assert usage(live) == {"sqlite/shop.db": 0}


def test_a_connection_that_is_refused_at_its_checkout_is_not_out(live, sqlite):
    engine = sqlite.engine(poolclass=NullPool)
    refusals = [exc.DisconnectionError]

    @event.listens_for(engine, "checkout")
    def refuse(_connection, _record, _proxy):
        if refusals:
            raise refusals.pop()

    with engine.connect():
        assert usage(live) == {"sqlite/shop.db": 1}
    assert usage(live) == {"sqlite/shop.db": 0}


def test_connections_out_since_before_the_setup_are_seen_where_the_pool_counts_them(sqlite):
    engine = sqlite.engine()
    with engine.connect():
        telemetry = setup_telemetry(FastAPI())
        with engine.connect():
            assert usage(telemetry) == {"sqlite/shop.db": 2}
    assert usage(telemetry) == {"sqlite/shop.db": 0}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async", "asyncpg"])
async def test_pools_of_asyncio_engines_and_of_postgresql(live, postgresql_server, driver):
    if driver == "psycopg":
        engine = create_engine(postgresql_server.url(driver), pool_size=2, max_overflow=3)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            assert usage(live) == {"postgresql/shop": 1}
        engine.dispose()
    else:
        engine = create_async_engine(postgresql_server.url(driver), pool_size=2, max_overflow=3)
        inside = asyncio.Barrier(4)

        async def work():
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                await inside.wait()
                assert usage(live) == {"postgresql/shop": 4}
                await inside.wait()

        await asyncio.gather(*(work() for _ in range(4)))
        await engine.dispose()
    assert sizes(live) == {"postgresql/shop": 5}
    assert usage(live) == {"postgresql/shop": 0}


def test_an_asyncio_engine_without_a_pool_has_no_size(live, tmp_path):
    async def work():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", poolclass=NullPool)
        async with engine.connect():
            assert usage(live) == {"sqlite/a.db": 1}
        assert usage(live) == {"sqlite/a.db": 0}
        assert sizes(live) == {}

    asyncio.run(work())


def test_two_engines_on_one_database_are_two_pools(live, sqlite):
    first, second = touched(sqlite.engine()), touched(sqlite.engine())
    with first.connect(), second.connect(), second.connect():
        assert usage(live) == {"sqlite/shop.db": 1, "sqlite/shop.db#2": 2}
    assert sizes(live) == {"sqlite/shop.db": 15, "sqlite/shop.db#2": 15}


def test_a_label_names_no_host_user_password_or_folder(live, sqlite, postgresql_server):
    touched(sqlite.engine())
    secret = create_engine(postgresql_server.url("psycopg").replace("postgres@", "postgres:s3cret@"))
    touched(secret)
    memory = touched(create_engine("sqlite://"))
    named = touched(sqlite.engine(pool_logging_name="mine"))
    assert set(usage(live)) == {"sqlite/shop.db", "postgresql/shop", "sqlite/:memory:", "mine"}
    for engine in (secret, memory, named):
        engine.dispose()


async def test_the_setting_engines_names_pools_before_they_are_used(sqlite, tmp_path):
    asynchronous = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", pool_size=1, max_overflow=1)
    derived = sqlite.engine(pool_size=2, max_overflow=0).execution_options(a=1)
    telemetry = setup_telemetry(FastAPI(), engines={"reads": derived, "writes": asynchronous})
    assert sizes(telemetry) == {"reads": 2, "writes": 2}
    assert usage(telemetry) == {"reads": 0, "writes": 0}
    assert scrape(telemetry).series("db_deadlocks_total", "pool") == {("reads",): 0, ("writes",): 0}
    with derived.connect():
        async with asynchronous.connect():
            assert usage(telemetry) == {"reads": 1, "writes": 1}
    await asynchronous.dispose()


def test_pools_beyond_the_bound_are_not_reported(tmp_path):
    telemetry = setup_telemetry(FastAPI(), max_pools=2)
    engines = [touched(create_engine(f"sqlite:///{tmp_path}/{n}.db")) for n in range(4)]
    assert set(usage(telemetry)) == set(sizes(telemetry)) == {"sqlite/0.db", "sqlite/1.db"}
    assert scrape(telemetry).series("db_deadlocks_total", "pool") == {("sqlite/0.db",): 0, ("sqlite/1.db",): 0}
    for engine in engines:
        engine.dispose()


def test_an_engine_that_is_gone_is_no_longer_reported_and_makes_room(tmp_path):
    telemetry = setup_telemetry(FastAPI(), max_pools=1)
    engine = touched(create_engine(f"sqlite:///{tmp_path}/first.db"))
    assert set(usage(telemetry)) == {"sqlite/first.db"}
    engine.dispose()
    del engine
    gc.collect()
    assert usage(telemetry) == {}
    second = touched(create_engine(f"sqlite:///{tmp_path}/second.db"))
    assert set(usage(telemetry)) == {"sqlite/second.db"}
    second.dispose()


@pytest.fixture
def waiting(sqlite, app, telemetry):
    """Sets up, and makes an engine whose function ``wait`` takes as many seconds by a clock that it alone moves."""
    clock = telemetry.freeze_clock()

    def make(**settings):
        live, engine = setup_telemetry(app, **settings), sqlite.engine()

        @event.listens_for(engine, "connect")
        def functions(connection, _record):
            connection.create_function("wait", 1, clock.tick)

        return live, engine

    return make


def test_a_statement_slower_than_the_setting_is_a_slow_query(waiting):
    live, engine = waiting(slow_query_seconds=0.05)
    with engine.connect() as connection:
        connection.execute(select(users))
        connection.execute(text("SELECT wait(0.1) FROM users"))  # no row, so it does not wait
        connection.execute(text("SELECT wait(0.1)"))
        connection.execute(text("INSERT INTO orders SELECT 1, wait(0.1)"))
        with pytest.raises(exc.OperationalError):
            connection.execute(text("UPDATE orders SET user_id = wait(0.1) + json('broken')"))
    assert scrape(live).series("db_slow_queries_total", "operation", "table") == {
        ("SELECT", "unknown"): 1,
        ("INSERT", "orders"): 1,
        ("UPDATE", "orders"): 1,
    }


def test_half_a_second_is_slow_unless_it_is_set(waiting):
    live, engine = waiting()
    with engine.connect() as connection:
        connection.execute(text("SELECT wait(0.5)"))
        assert not scrape(live).has("db_slow_queries_total")
        connection.execute(text("SELECT wait(0.51)"))
    assert scrape(live).series("db_slow_queries_total", "operation", "table") == {("SELECT", "unknown"): 1}
    assert scrape(live).value("db_query_duration_seconds_bucket", le="0.5") == 1
    assert scrape(live).value("db_query_duration_seconds_bucket", le="1.0") == 2


def test_the_time_of_a_statement_is_that_of_the_server(live, postgresql):
    with postgresql.engine().connect() as connection:
        connection.execute(text("SELECT pg_sleep(0.55)"))
    assert scrape(live).series("db_slow_queries_total", "operation", "table") == {("SELECT", "unknown"): 1}
    assert scrape(live).value("db_query_duration_seconds_sum") >= 0.55
