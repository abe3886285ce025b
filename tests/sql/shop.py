"""A small database of users and their orders, on each database system and by each driver."""

import asyncio
import inspect
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, MetaData, String, create_engine, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.schema import CreateTable

from tests.scrape import Scrape, scrape
from tests.servers.postgresql import PostgresqlServer
from tests.until import until
from wxiai_otel import Telemetry


class Base(DeclarativeBase):
    metadata = MetaData()


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    orders: Mapped[list["Order"]] = relationship(back_populates="user")


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User | None] = relationship(back_populates="orders")


users, orders = User.__table__, Order.__table__


def _schema(dialect: Any) -> list[str]:
    return [str(CreateTable(table).compile(dialect=dialect)) for table in Base.metadata.sorted_tables]


_SCHEMA_OF_SQLITE = _schema(sqlite.dialect())
_SCHEMA_OF_POSTGRESQL = _schema(postgresql.dialect())


class Database:
    """A database with the empty tables, made without SQLAlchemy's engines: what they do is counted.

    Parameters:
        url: Of the driver that the engines use.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_async = any(name in url for name in ("aiosqlite", "asyncpg", "psycopg_async"))
        self._engines: list[Any] = []

    def engine(self, **options: Any) -> Any:
        """Make an engine, sync or async as the driver is."""
        make = create_async_engine if self.is_async else create_engine
        made = make(self.url, **options)
        self._engines.append(made)
        return made

    async def run(self, work: Callable[..., Any], engine: Any = None) -> Any:
        """Call ``work(connection)`` in a transaction that is committed."""
        engine = engine or self.engine()
        if isinstance(engine, AsyncEngine):
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        with engine.begin() as connection:
            return work(connection)

    async def run_session(self, work: Callable[..., Any], engine: Any = None) -> Any:
        """Call ``work(session)``, and commit."""
        engine = engine or self.engine()
        if isinstance(engine, AsyncEngine):
            async with AsyncSession(engine) as session:
                result = await session.run_sync(work)
                await session.commit()
                return result
        with Session(engine) as session:
            result = work(session)
            session.commit()
            return result

    async def close(self) -> None:
        for engine in self._engines:
            disposing = engine.dispose()
            if inspect.isawaitable(disposing):
                await disposing


def sqlite_database(driver: str, folder: Path) -> Database:
    """A database of SQLite in a file."""
    path = folder / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(";".join(_SCHEMA_OF_SQLITE))
    connection.close()
    return Database(f"sqlite+{driver}:///{path}")


def postgresql_database(driver: str, server: PostgresqlServer) -> Database:
    """The database of the server, emptied."""
    emptied = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *_SCHEMA_OF_POSTGRESQL)
    server.ask(*emptied, "SELECT stats.pg_stat_statements_reset()")
    return Database(server.url(driver))


def counts(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """How many statements were counted, by operation and table."""
    return counted(scrape(telemetry))


def counted(seen: Scrape) -> dict[tuple[str, ...], float]:
    return seen.series("db_query_duration_seconds_count", "operation", "table")


def three_users(connection):
    connection.execute(insert(users), [{"name": f"n{n}"} for n in range(3)])


async def cancel_a_statement(server: PostgresqlServer, driver: str) -> asyncio.Task:
    """Cancel a task while the server executes its statement, and return the task, which has ended.

    Before that, PostgreSQL ignores a cancellation, and psycopg waits for the statement.
    """
    engine = create_async_engine(server.url(driver))

    async def sleep() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(sleep())
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await asyncio.to_thread(until, lambda: server.ask(sleeping))
    task.cancel()
    await asyncio.wait([task])
    await engine.dispose()
    return task
