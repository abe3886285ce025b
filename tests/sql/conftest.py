"""One PostgreSQL server for all tests of this folder, and a database of users and orders by each driver."""

from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI

from tests.servers.postgresql import PostgresqlServer, postgresql_server
from tests.sql.shop import Database, postgresql_database, sqlite_database
from wxiai_otel import Telemetry, setup_telemetry


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresqlServer]:
    with postgresql_server() as running:
        yield running


@pytest.fixture(params=["pysqlite", "aiosqlite", "psycopg", "psycopg_async", "asyncpg"])
async def database(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Database]:
    """The database by each driver."""
    if "sqlite" in request.param:
        made = sqlite_database(request.param, tmp_path)
    else:
        made = postgresql_database(request.param, request.getfixturevalue("server"))
    yield made
    await made.close()


@pytest.fixture
async def sqlite(tmp_path) -> AsyncIterator[Database]:
    """The database in a file of SQLite."""
    made = sqlite_database("pysqlite", tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def postgresql(server: PostgresqlServer) -> AsyncIterator[Database]:
    """The database on PostgreSQL, by psycopg."""
    made = postgresql_database("psycopg", server)
    yield made
    await made.close()


@pytest.fixture
def telemetry() -> Telemetry:
    return setup_telemetry(FastAPI())
