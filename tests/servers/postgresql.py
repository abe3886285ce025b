"""A real PostgreSQL server."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.ports import free_port
from tests.until import until

# Nothing has to survive; a deadlock is to be noticed soon; two-phase transactions are off by default.
_CONFIGURATION = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "deadlock_timeout": "50ms",
    "max_prepared_transactions": "2",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "log_min_messages": "panic",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "off",
}


class PostgresqlServer:
    """A running server with the database ``shop``."""

    def __init__(self, process: subprocess.Popen, port: int, folder: str) -> None:
        self.process = process
        self.port = port
        self.folder = folder

    def url(self, driver: str) -> str:
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/shop"

    def ask(self, *statements: str, database: str = "shop") -> list[Any]:
        """Send statements by the driver alone: SQLAlchemy's would be counted. Gives the last one's rows."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def calls(self, operation: str, table: str) -> int:
        """How often the server has executed such statements, by its own count."""
        counted = "SELECT coalesce(sum(calls), 0)::int FROM stats.pg_stat_statements"
        (row,) = self.ask(rf"{counted} WHERE query ~* '^\s*{operation}\y.*\y{table}\y'")
        return row[0]


@contextmanager
def run_postgresql() -> Iterator[PostgresqlServer]:
    """Run a server on a free port, in a folder of its own, until the block ends."""
    port = free_port()
    # The server refuses to be run by root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        options = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
        initdb = [_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*initdb, "--locale", "C"], check=True, timeout=100, **options)
        command = [_program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        for name, value in _CONFIGURATION.items():
            command += ["-c", f"{name}={value}"]
        process = subprocess.Popen(command, **options)
        server = PostgresqlServer(process, port, folder)
        try:
            until(partial(_answers, server))
            server.ask("CREATE DATABASE shop", database="postgres")
            server.ask("CREATE SCHEMA stats", "CREATE EXTENSION pg_stat_statements SCHEMA stats")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # ends it without waiting for clients
            process.wait(10)


def _program(name: str) -> str:
    """Debian keeps the server's programs out of the path."""
    found = shutil.which(name) or next(iter(sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))), None)
    assert found, f"PostgreSQL's {name} is not installed"
    return found


def _answers(server: PostgresqlServer) -> bool:
    assert server.process.poll() is None, "postgres ended"
    try:
        server.ask("SELECT 1", database="postgres")
    except psycopg.OperationalError:
        return False
    return True
