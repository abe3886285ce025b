"""Health checks and polled gauges use no connection, listener, pool or creator of the application."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, Integer, MetaData, Table, TypeDecorator, create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import (
    AssertionPool,
    AsyncAdaptedQueuePool,
    NullPool,
    Pool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from tests.monitoring.conftest import health
from tests.scrape import scrape
from tests.sql.internals import NotChecked
from wxiai_otel import setup_telemetry
from wxiai_otel.sql import ping

IN_MEMORY = "not checked: the database is in memory"
BY_CREATOR = "not checked: the application makes its connections"
BY_LISTENER = "not checked: a do_connect listener makes its connections"
OWN_POOL = "not checked: its pool is the application's own"
OWN_DRIVER = "not checked: its driver is the application's own"
OWN_OBJECTS = "not checked: its connect_args hold objects of the application"


class Connection(sqlite3.Connection):
    """A connection class of the application."""


class PoolOfTheApplication(QueuePool):
    """A pool class of the application."""


class CountingPool(QueuePool):
    """A pool class of the application with a method that telemetry must not call."""

    def checkedout(self):
        raise AssertionError("called unasked")


def by_creator(path):
    connection = sqlite3.connect(path, check_same_thread=False)
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)


def by_creator_anew(path):
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(path))


def by_pool(path):
    return create_engine("sqlite://", pool=QueuePool(lambda: sqlite3.connect(path)))


def by_listener(path):
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "do_connect")
    def connect(dialect, record, arguments, options):
        return sqlite3.connect(path)

    return engine


def by_module(path):
    class Module:
        paramstyle, sqlite_version_info, Error = "qmark", sqlite3.sqlite_version_info, sqlite3.Error
        sqlite_version = sqlite3.sqlite_version

        def connect(self, *arguments, **options):
            return sqlite3.connect(path)

    return create_engine("sqlite://", module=Module())


def by_dialect(path):
    engine = create_engine(f"sqlite:///{path}")
    engine.dialect.connect = lambda *arguments, **options: sqlite3.connect(path)
    return engine


def by_url(url, **options):
    return lambda path: create_engine(url.format(path=path), **options)


def by_async_url(url, **options):
    return lambda path: create_async_engine(url.format(path=path), **options)


def by_async_creator(path):
    import aiosqlite

    return create_async_engine("sqlite+aiosqlite://", async_creator=lambda: aiosqlite.connect(path))


NUMBERS = count()
ANY_THREAD = {"check_same_thread": False}
FILE, ASYNC_FILE = "sqlite:///{path}", "sqlite+aiosqlite:///{path}"
SQLITE: dict[str, tuple[Callable[[str], Any], str]] = {
    "memory": (by_url("sqlite://"), IN_MEMORY),
    "memory by name": (by_url("sqlite:///:memory:"), IN_MEMORY),
    "memory, one connection": (by_url("sqlite://", poolclass=StaticPool, connect_args=ANY_THREAD), IN_MEMORY),
    "memory, shared cache": (
        by_url("sqlite:///file:a?mode=memory&cache=shared&uri=true", poolclass=SingletonThreadPool),
        IN_MEMORY,
    ),
    "memory, shared cache by name": (by_url("sqlite:///file::memory:?cache=shared&uri=true"), IN_MEMORY),
    "memory by its file system": (by_url("sqlite:///file:/a?vfs=memdb&uri=true"), IN_MEMORY),
    "file": (by_url(FILE), "ok"),
    "file by its URI": (by_url("sqlite:///file:{path}?uri=true&cache=shared"), "ok"),
    "file, no pool": (by_url(FILE, poolclass=NullPool), "ok"),
    "file, one connection": (by_url(FILE, poolclass=StaticPool, connect_args=ANY_THREAD), "ok"),
    "file, one connection at a time": (by_url(FILE, poolclass=AssertionPool), "ok"),
    "file, one connection for a thread": (by_url(FILE, poolclass=SingletonThreadPool), "ok"),
    "file, no waiting": (by_url(FILE, connect_args={"timeout": 0}), "ok"),
    "creator of one connection": (by_creator, BY_CREATOR),
    "creator": (by_creator_anew, BY_CREATOR),
    "pool": (by_pool, BY_CREATOR),
    "pool class": (by_url(FILE, poolclass=PoolOfTheApplication), OWN_POOL),
    "listener": (by_listener, BY_LISTENER),
    "driver's module": (by_module, OWN_DRIVER),
    "dialect": (by_dialect, OWN_DRIVER),
    "connection class": (by_url(FILE, connect_args={"factory": Connection}), OWN_OBJECTS),
    "async memory": (by_async_url("sqlite+aiosqlite://"), IN_MEMORY),
    "async memory, shared cache": (
        by_async_url("sqlite+aiosqlite:///file:b?mode=memory&cache=shared&uri=true", poolclass=StaticPool),
        IN_MEMORY,
    ),
    "async file": (by_async_url(ASYNC_FILE), "ok"),
    "async file, no pool": (by_async_url(ASYNC_FILE, poolclass=NullPool), "ok"),
    "async file, one connection": (by_async_url(ASYNC_FILE, poolclass=StaticPool), "ok"),
    "async file, queue": (by_async_url(ASYNC_FILE, poolclass=AsyncAdaptedQueuePool), "ok"),
    "async creator": (by_async_creator, BY_CREATOR),
}
EVENTS = {
    Engine: "engine_connect before_cursor_execute after_cursor_execute before_execute begin commit rollback savepoint "
    "release_savepoint handle_error",
    Pool: "connect first_connect checkout checkin reset close invalidate soft_invalidate detach close_detached",
}


@contextmanager
def heard():
    """Return the events that listeners of the application on SQLAlchemy's classes receive."""
    events: list[str] = []
    listeners = []
    for target, names in EVENTS.items():
        for name in names.split():

            def listen(*_arguments, name=name, **_options):
                events.append(name)

            event.listen(target, name, listen, named=True)
            listeners.append((target, name, listen))
    try:
        yield events
    finally:
        for target, name, listen in listeners:
            event.remove(target, name, listen)


async def committed_around(engine: Any, between: Callable[[], Any]) -> list[int]:
    """Insert 1, call `between` within a savepoint, insert 2, and return the committed values."""
    insert = text("INSERT INTO t VALUES (:a)")
    if isinstance(engine, Engine):
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS t (a INTEGER)"))
        with engine.begin() as connection:
            connection.execute(insert, {"a": 1})
            with connection.begin_nested():
                await between()
                connection.execute(insert, {"a": 2})
        with engine.connect() as connection:
            found = sorted(connection.scalars(text("SELECT a FROM t")))
        engine.dispose()
        return found
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS t (a INTEGER)"))
    async with engine.begin() as connection:
        await connection.execute(insert, {"a": 1})
        async with connection.begin_nested():
            await between()
            await connection.execute(insert, {"a": 2})
    async with engine.connect() as connection:
        found = sorted(await connection.scalars(text("SELECT a FROM t")))
    await engine.dispose()
    return found


def polling(app: FastAPI, engine: Any, **settings):
    return setup_telemetry(
        app,
        health_interval=0.05,
        health_cache=0.001,
        avg_user_credits="SELECT count(*) FROM t",
        gauge_engine=engine,
        gauge_poll_interval=0.05,
        workers_folder="none",
        **settings,
    )


async def transaction_while_checked(engine: Any, expected: str) -> None:
    app = FastAPI()
    with heard() as events:
        telemetry = polling(app, engine)

        async def checked():
            events.clear()
            _, content = await health(app)
            assert content["checks"]["database"]["message"] == expected
            await asyncio.sleep(0.12)
            assert (await health(app))[0] == 200
            assert events == []

        assert await committed_around(engine, checked) == [1, 2]
    series = scrape(telemetry).series("health_check_status", "check")
    assert series.get(("database",)) == (1 if expected == "ok" else None)


@pytest.mark.parametrize("kind", SQLITE)
async def test_a_transaction_on_sqlite_is_committed_whole(tmp_path, kind):
    make, expected = SQLITE[kind]
    await transaction_while_checked(make(f"{tmp_path}/shop.db"), expected)


POSTGRESQL = {
    "psycopg": {},
    "psycopg, one connection": {"poolclass": StaticPool},
    "psycopg, no pool": {"poolclass": NullPool},
    "psycopg, autocommit": {"isolation_level": "SERIALIZABLE"},
    "psycopg_async": {},
    "psycopg_async, one connection": {"poolclass": StaticPool},
    "asyncpg": {},
    "asyncpg, one connection": {"poolclass": StaticPool},
    "asyncpg, PgBouncer": {
        "poolclass": NullPool,
        "connect_args": {"statement_cache_size": 0, "prepared_statement_name_func": lambda: f"theirs{next(NUMBERS)}"},
    },
}


@pytest.mark.parametrize("kind", POSTGRESQL)
async def test_a_transaction_on_postgresql_is_committed_whole(postgresql_server, kind):
    postgresql_server.ask("DROP TABLE IF EXISTS t")
    driver = kind.partition(",")[0]
    make = create_engine if driver == "psycopg" else create_async_engine
    await transaction_while_checked(make(postgresql_server.url(driver), **POSTGRESQL[kind]), "ok")


async def test_a_transaction_in_two_phases_is_committed_whole(postgresql_server):
    postgresql_server.ask("DROP TABLE IF EXISTS t", "CREATE TABLE t (a INTEGER)")
    engine = create_engine(postgresql_server.url("psycopg"), poolclass=StaticPool)
    app = FastAPI()
    polling(app, engine)
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(text("INSERT INTO t VALUES (1)"))
        assert (await health(app))[0] == 200
        transaction.prepare()
        assert (await health(app))[0] == 200
        transaction.commit()
    engine.dispose()
    assert postgresql_server.ask("SELECT a FROM t") == [(1,)]


def never(*_arguments, **_options):
    raise AssertionError("called unasked")


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("asyncpg", {"async_creator": never}),
        ("asyncpg", {"connect_args": {"async_creator_fn": never}}),
        ("asyncpg", {"connect_args": {"password": never}}),
        ("asyncpg", {"connect_args": {"server_settings": {"application_name": never}}}),
        ("psycopg", {"creator": never}),
        ("psycopg", {"connect_args": {"cursor_factory": never}}),
        ("psycopg_async", {"async_creator": never}),
    ],
    ids="async_creator async_creator_fn password application_name creator cursor_factory async_psycopg".split(),
)
def test_functions_of_the_application_are_not_called(postgresql_server, driver, options):
    make = create_engine if driver == "psycopg" else create_async_engine
    engine = make(postgresql_server.url(driver), **options)
    with pytest.raises(NotChecked):
        ping(getattr(engine, "sync_engine", engine), 1)


def test_a_driver_that_a_test_has_patched_is_not_called(postgresql_server, tmp_path, monkeypatch):
    engine = create_engine(postgresql_server.url("psycopg"))
    monkeypatch.setattr("psycopg.connect", never)
    with pytest.raises(NotChecked):
        ping(engine, 1)
    file = create_engine(f"sqlite:///{tmp_path}/x.db")
    monkeypatch.setattr(file.dialect.loaded_dbapi, "connect", never)
    with pytest.raises(NotChecked):
        ping(file, 1)


def test_a_listener_for_every_engine_makes_their_connections(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    listener = lambda *_: sqlite3.connect(":memory:")  # noqa: E731
    event.listen(Engine, "do_connect", listener)
    try:
        with pytest.raises(NotChecked, match="do_connect"):
            ping(engine, 1)
    finally:
        event.remove(Engine, "do_connect", listener)


async def test_databases_are_checked_beside_others_that_cannot_be(tmp_path):
    app = FastAPI()
    setup_telemetry(app)
    engines = [create_engine(url) for url in ("sqlite://", f"sqlite:///{tmp_path}/x.db")]
    for engine in engines:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    _, content = await health(app)
    assert content["checks"]["database"]["message"] == "ok; 1 of 2 not checked"


def test_the_numbers_of_a_pool_are_read_without_its_methods_and_before_its_queue_exists(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=CountingPool)
    unused = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    telemetry = setup_telemetry(FastAPI(), engines={"theirs": engine, "unused": unused})
    with engine.connect():
        seen = scrape(telemetry)
    assert seen.series("db_connection_pool_usage", "pool") == {("theirs",): 1, ("unused",): 0}
    assert seen.series("db_connection_pool_size", "pool") == {("theirs",): 15, ("unused",): 15}
    assert "_queue" not in vars(unused.pool._pool)


def test_only_the_class_of_an_application_exception_is_read(tmp_path, spans):
    asked = []

    class Strange(Exception):
        def __getattr__(self, name):
            asked.append(name)
            raise AssertionError("called unasked")

    class Money(TypeDecorator):
        impl = Integer
        cache_ok = True

        def process_bind_param(self, value, dialect):
            raise Strange

        def process_result_value(self, value, dialect):
            raise Strange

    setup_telemetry(FastAPI())
    table = Table("t", MetaData(), Column("a", Money))
    for engine in (create_engine(f"sqlite:///{tmp_path}/x.db"), create_engine("sqlite://")):
        with engine.connect() as connection:
            table.create(connection)
            connection.execute(text("INSERT INTO t VALUES (1)"))
            with pytest.raises(StatementError):
                connection.execute(table.insert(), {"a": 1})
            with pytest.raises(Strange):
                connection.execute(table.select()).all()
    assert [name for name in asked if not name.startswith("__")] == []
