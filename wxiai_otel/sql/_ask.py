"""Queries for one value over a connection of our own, from any thread and for any engine."""

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Executable, literal_column, select, text
from sqlalchemy.engine import Engine

from .._backoff import Backoff
from .._questions import run_apart
from ._errors import is_refusal
from ._reach import Server, SqliteFile, reach

_READS = 5
_PAUSE_SECONDS = 0.01

_backoffs: WeakKeyDictionary[Engine, dict[str, Backoff]] = WeakKeyDictionary()


class _BeingWritten(TimeoutError):
    """A file of SQLite has changed during each attempt to read it, e.g. in a long transaction."""


def ping(engine: Engine, timeout: float) -> None:
    """Check that the database executes a trivial statement.

    Parameters:
        engine: The engine.
        timeout: Seconds after which the query of an asynchronous driver is cancelled.
    """
    try:
        ask(engine, select(literal_column("1")), timeout)
    except _BeingWritten:
        return  # the application writes to the file: it works


def ask(engine: Engine, statement: str | Executable, timeout: float) -> Any:
    """Return the first value of a statement's first row; ``None`` without a row.

    The connection is opened for this statement and closed after it. It uses no pool, listener, event or event loop of
    the application.

    Parameters:
        engine: The engine; the ``sync_engine`` of an AsyncEngine.
        statement: SQL, or a SQLAlchemy construct.
        timeout: Seconds after which the query of an asynchronous driver is cancelled.

    Raises:
        NotChecked: Only the application can make a connection to this database.
        TimeoutError: A file of SQLite is being written to.
    """
    reached = reach(engine)
    compiled: Any = text(statement) if isinstance(statement, str) else statement
    query = str(compiled.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
    backoff = _backoffs.setdefault(engine, {}).setdefault(query, Backoff())
    backoff.wait_over()
    try:
        answer = _in_file(reached, query) if isinstance(reached, SqliteFile) else _on_server(reached, query, timeout)
    except Exception as error:
        if is_refusal(engine.dialect.name, error):
            backoff.refused(error)
        raise
    backoff.answered()
    return answer


def _on_server(server: Server, query: str, timeout: float) -> Any:
    if not server.dialect.is_async:
        return _first_value(server, query)
    # Imported here: it needs greenlet, which an application without asynchronous engines may not have.
    from sqlalchemy.util.concurrency import greenlet_spawn

    return run_apart(asyncio.wait_for(greenlet_spawn(_first_value, server, query), timeout))


def _first_value(server: Server, query: str) -> Any:
    connection = server.dialect.connect(*server.arguments, **server.options)
    try:
        cursor = connection.cursor()
        # Pass parameters as SQLAlchemy does, even if empty: they make drivers read %% as %.
        cursor.execute(query, () if server.dialect.positional else {})
        row = cursor.fetchone()
        cursor.close()
        # PgBouncer drops its server connection if a client disconnects within a transaction.
        connection.rollback()
    except BaseException:
        # Terminate without a handshake, which an unresponsive server would not answer.
        getattr(connection, "terminate", connection.close)()
        raise
    connection.close()
    return row[0] if row else None


def _in_file(file: SqliteFile, query: str) -> Any:
    """Read from a SQLite file without blocking its writers.

    With a write-ahead log, readers block no writer. Without one, a reader's lock would, so the file is read without a
    lock, and again if it changed meanwhile.
    """
    if Path(f"{file.path}-wal").exists():
        return _read(file, query, immutable=False)
    for attempt in range(_READS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        before, error = _state(file.path), None
        try:
            answer = _read(file, query, immutable=True)
        except file.module.DatabaseError as failure:
            error = failure
        after = _state(file.path)
        if before == after is not None:
            if error is not None:
                raise error
            return answer
    raise _BeingWritten


def _read(file: SqliteFile, query: str, *, immutable: bool) -> Any:
    with (
        closing(
            file.module.connect(file.url(immutable=immutable), uri=True, timeout=0, isolation_level=None)
        ) as opened,
        closing(opened.execute(query)) as cursor,
    ):
        row = cursor.fetchone()
    return row[0] if row else None


def _state(path: str) -> tuple[int, int] | None:
    """Return a value that changes with every write to a file; ``None`` during a write. Does not open the file."""
    try:
        # https://www.sqlite.org/fileformat2.html#the_rollback_journal: a zeroed header means no transaction.
        with Path(f"{path}-journal").open("rb") as journal:
            if journal.read(8).strip(b"\0"):
                return None
    except OSError:
        pass
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)  # opening the file raises the reason
    return found.st_mtime_ns, found.st_size
