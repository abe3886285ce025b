"""Real servers for the suites, on free ports of loopback."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server(kind: str) -> Iterator[list[str]]:
    """Run a server during the block, and yield the pytest options that point to it."""
    if kind == "redis":
        from tests.servers.redis import run_redis

        with run_redis("--enable-debug-command", "local") as redis:
            yield [f"--redis-url=redis://127.0.0.1:{redis.port}/0"]
    elif kind == "postgresql":
        from tests.servers.postgresql import run_postgresql

        with run_postgresql() as postgresql:
            postgresql.ask("CREATE DATABASE test", "CREATE EXTENSION hstore", "CREATE EXTENSION citext")
            postgresql.ask("CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2", database="test")
            yield [f"--dburi=postgresql+psycopg://postgres@127.0.0.1:{postgresql.port}/test"]
    else:
        yield []
