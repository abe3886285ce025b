"""What a driver's exception says, by the driver's own codes."""

from typing import Any

# https://www.postgresql.org/docs/current/errcodes-appendix.html, https://www.sqlite.org/rescode.html#locked,
# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html#error_er_lock_deadlock
_POSTGRESQL_DEADLOCK = "40P01"
_MYSQL_DEADLOCK = 1213
_SQLITE_LOCKED = 6
_SQLITE_PRIMARY_CODE = 0xFF


def sqlstate(exception: BaseException) -> str | None:
    """The SQLSTATE of a PostgreSQL driver's exception: psycopg 2 and 3, asyncpg and SQLAlchemy's adapter of it."""
    for link in (exception, exception.__cause__):
        for name in ("sqlstate", "pgcode"):
            code = getattr(link, name, None)
            if isinstance(code, str) and code:
                return code
    return None


def is_deadlock(dialect: str, exception: BaseException) -> bool:
    """Whether the driver reports a deadlock. SQLite's SQLITE_BUSY is waiting, and none.

    Parameters:
        dialect: SQLAlchemy's name of the dialect.
        exception: The driver's exception.
    """
    if dialect == "postgresql":
        return sqlstate(exception) == _POSTGRESQL_DEADLOCK
    if dialect in ("mysql", "mariadb"):
        arguments: tuple[Any, ...] = exception.args
        return getattr(exception, "errno", None) == _MYSQL_DEADLOCK or arguments[:1] == (_MYSQL_DEADLOCK,)
    if dialect == "sqlite":
        # The code is the sqlite3 module's; aiosqlite raises its exceptions, SQLAlchemy's adapter may wrap them.
        for link in (exception, exception.__cause__):
            code = getattr(link, "sqlite_errorcode", None)
            if isinstance(code, int):
                return code & _SQLITE_PRIMARY_CODE == _SQLITE_LOCKED
    return False


# Class invalid_authorization_specification, codes insufficient_privilege and too_many_connections.
_POSTGRESQL_REFUSALS = ("28", "42501", "53300")
# libpq has no code for a refused connection, only the server's message.
_LIBPQ_REFUSALS = ("authentication failed", "does not exist", "permission denied", "pg_hba.conf", "FATAL:  too many")
# Too many connections (of the server, of the user), no access (to the database, the table, the column).
_MYSQL_REFUSALS = frozenset((1040, 1044, 1045, 1142, 1143, 1203, 1226))


def is_refusal(dialect: str, exception: BaseException) -> bool:
    """Return whether a server refuses our user or further connections, so that an early retry changes nothing.

    Parameters:
        dialect: SQLAlchemy's name of the dialect.
        exception: The driver's exception.
    """
    if dialect == "postgresql":
        if code := sqlstate(exception):
            return code.startswith(_POSTGRESQL_REFUSALS)
        return type(exception).__name__ == "OperationalError" and any(
            words in str(exception) for words in _LIBPQ_REFUSALS
        )
    if dialect in ("mysql", "mariadb"):
        code = getattr(exception, "errno", None) or next(iter(exception.args), None)
        return isinstance(code, int) and code in _MYSQL_REFUSALS
    return False
