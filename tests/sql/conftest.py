"""A database of users and orders by each driver."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.postgresql import PostgresqlServer
from tests.sql.shop import Database, postgresql_database, sqlite_database


@pytest.fixture(params=["pysqlite", "aiosqlite", "psycopg", "psycopg_async", "asyncpg"])
async def database(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Database]:
    """The database by each driver."""
    if "sqlite" in request.param:
        made = sqlite_database(request.param, tmp_path)
    else:
        made = postgresql_database(request.param, request.getfixturevalue("postgresql_server"))
    yield made
    await made.close()


@pytest.fixture
async def sqlite(tmp_path) -> AsyncIterator[Database]:
    """The database in a file of SQLite."""
    made = sqlite_database("pysqlite", tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def postgresql(postgresql_server: PostgresqlServer) -> AsyncIterator[Database]:
    """The database on PostgreSQL, by psycopg."""
    made = postgresql_database("psycopg", postgresql_server)
    yield made
    await made.close()
