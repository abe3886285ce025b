"""Discovery of how to reach an engine's database without the application's connections or code.

The pool, `creator` and listeners of an engine belong to the application. Its pool may hold a single connection, and
returning that to the pool rolls back an open transaction. So the connection arguments are read, and nothing is called.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from sqlalchemy.engine import Dialect, Engine

from .._genuine import comes_from, connects_itself
from .._questions import NotChecked

_PLAIN = (str, bytes, int, float, PurePath, type(None))
# SQLAlchemy's type adapters, which a query for one number does not need.
_NEEDLESS = frozenset(("context",))
_STATEMENT_NAMES = "prepared_statement_name_func"


@dataclass(frozen=True, slots=True)
class Server:
    """A database server: the dialect and the arguments to connect with."""

    dialect: Dialect
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite file: its path, and the driver module that the application uses for it.

    Another copy of SQLite in this process would release the application's locks when it closes the file:
    https://www.sqlite.org/howtocorrupt.html#posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """

    module: ModuleType
    path: str

    def url(self, *, immutable: bool) -> str:
        """Return the URI that opens the file read-only, without a shared cache.

        Parameters:
            immutable: Whether to take no lock. Only for files without a write-ahead log.
        """
        return f"file:{quote(self.path)}?mode=ro&cache=private{'&immutable=1' if immutable else ''}"


def reach(engine: Engine) -> Server | SqliteFile:
    """Return how to reach an engine's database.

    Raises:
        NotChecked: Only the application can connect to it.
    """
    dialect, arguments, options = _arguments(engine)
    if dialect.name == "sqlite":
        return _file(dialect, arguments, options)
    dbapi: Any = dialect.loaded_dbapi
    modules = [dbapi] if isinstance(dbapi, ModuleType) else _adapted(dbapi)
    if not modules or not all(map(connects_itself, modules)):
        raise NotChecked("its driver is the application's own")
    options = {name: value for name, value in options.items() if name not in _NEEDLESS}
    if _STATEMENT_NAMES in options:
        # Behind PgBouncer, statement names must differ between connections. Ours has one unnamed statement.
        options[_STATEMENT_NAMES] = str
    if not all(_is_plain(value) for name, value in options.items() if name != _STATEMENT_NAMES) or not _is_plain(
        arguments
    ):
        raise NotChecked("its connect_args hold objects of the application")
    return Server(dialect, arguments, options)


def _arguments(engine: Engine) -> tuple[Dialect, tuple[Any, ...], dict[str, Any]]:
    """Return the connection arguments of an engine, from the closure in which `create_engine` keeps them."""
    pool = engine.pool
    if not _is_sqlalchemys(type(pool)):
        raise NotChecked("its pool is the application's own")
    creator: Any = vars(pool).get("_creator_arg")
    code, cells = getattr(creator, "__code__", None), getattr(creator, "__closure__", None)
    if not comes_from(creator, "sqlalchemy") or code is None or not cells:
        raise NotChecked("the application makes its connections")
    found = dict(zip(code.co_freevars, (cell.cell_contents for cell in cells), strict=True))
    dialect = engine.dialect
    if found.get("dialect") is not dialect or not {"cargs_tup", "cparams"} <= found.keys():
        raise NotChecked("the application makes its connections")
    if "connect" in vars(dialect) or not comes_from(type(dialect).connect, "sqlalchemy"):
        raise NotChecked("its driver is the application's own")
    if dialect.dispatch.do_connect:
        raise NotChecked("a do_connect listener makes its connections")
    return dialect, tuple(found["cargs_tup"]), dict(found["cparams"])


def _file(dialect: Dialect, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> SqliteFile:
    module: Any = dialect.loaded_dbapi
    if not isinstance(module, ModuleType):
        module = vars(module).get("sqlite")
    if not _is_sqlalchemys(type(dialect)) or dialect.driver not in ("pysqlite", "aiosqlite", "pysqlite_numeric"):
        raise NotChecked("its driver is the application's own")
    if not isinstance(module, ModuleType) or not connects_itself(module):
        raise NotChecked("its driver is the application's own")
    if callable(options.get("factory")):
        raise NotChecked("its connect_args hold objects of the application")
    name = options.get("database", arguments[0] if arguments else None)
    if isinstance(name, PurePath):
        name = str(name)
    if not isinstance(name, str):
        raise NotChecked("the database is in memory")
    if options.get("uri") and name.startswith("file:"):
        name = _path(name)
    if not name or name == ":memory:":
        raise NotChecked("the database is in memory")
    return SqliteFile(module, name)


def _path(uri: str) -> str:
    """Return the path in a SQLite URI; empty if the database is no file."""
    path, _, query = uri.partition("#")[0].removeprefix("file:").partition("?")
    parameters = parse_qs(query)
    if "vfs" in parameters or "memory" in parameters.get("mode", ()):
        return ""
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    return unquote(path)


def _adapted(dbapi: Any) -> list[ModuleType]:
    """Return the driver modules behind SQLAlchemy's asyncio adapter; none if the adapter is not SQLAlchemy's."""
    if not _is_sqlalchemys(type(dbapi)):
        return []
    modules = [value for value in vars(dbapi).values() if isinstance(value, ModuleType)]
    return [module for module in modules if "." not in module.__name__ and hasattr(module, "connect")]


def _is_sqlalchemys(kind: type) -> bool:
    return kind.__module__.startswith("sqlalchemy.")


def _is_plain(value: Any) -> bool:
    """Return whether a value is plain data that runs no application code."""
    if isinstance(value, Mapping):
        return all(_is_plain(key) and _is_plain(found) for key, found in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) or type(value) is ssl.SSLContext
