"""Exception classes of database libraries, and the codes of their errors. Imports none of the libraries."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

from .._labels import exception_type

# As in `wxiai_otel._redaction`, which imports this package.
MASK = "****"
# Packages whose exceptions may repeat values of the application.
LIBRARIES = (
    "MySQLdb",
    "aiomysql",
    "aioodbc",
    "aiopg",
    "aiosqlite",
    "asyncmy",
    "asyncpg",
    "bson",
    "clickhouse_connect",
    "clickhouse_driver",
    "cx_Oracle",
    "databases",
    "django.db",
    "duckdb",
    "gridfs",
    "mysql.connector",
    "oracledb",
    "ormar",
    "peewee",
    "pg8000",
    "psycopg",
    "psycopg2",
    "psycopg2cffi",
    "pymongo",
    "pymssql",
    "pymysql",
    "pyodbc",
    "redis",
    "sqlalchemy",
    "sqlite3",
    "sqlmodel",
    "tortoise",
)
# Their exceptions whose text the library fixes: counts, tables and hosts, no value of the application.
FIXED = frozenset(
    (
        "redis.exceptions.BusyLoadingError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.LockError",
        "redis.exceptions.LockNotOwnedError",
        "redis.exceptions.MaxConnectionsError",
        "redis.exceptions.TimeoutError",
        "redis.exceptions.WatchError",
        "sqlalchemy.exc.AwaitRequired",
        "sqlalchemy.exc.MissingGreenlet",
        "sqlalchemy.exc.MultipleResultsFound",
        "sqlalchemy.exc.NoResultFound",
        "sqlalchemy.exc.ResourceClosedError",
        "sqlalchemy.exc.TimeoutError",
        "sqlalchemy.orm.exc.StaleDataError",
    )
)
_MRO: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_NAMESPACE: Callable[[type], dict[str, Any]] = type.__dict__["__dict__"].__get__
_QUALNAME: Callable[[type], str] = type.__dict__["__qualname__"].__get__
_ARGS: Callable[[BaseException], tuple[Any, ...]] = BaseException.__dict__["args"].__get__
_PREFIXES = tuple(f"{library}." for library in LIBRARIES)
_STATE = re.compile(r"[0-9A-Z]{5}")
# Whether classes of the application are derived from those of the libraries, by name: to search for one takes 1 ms.
_MAX_DERIVED = 1_000
_derived: dict[str, bool] = {}
# Their first argument is the SQLSTATE.
_ODBC = ("pyodbc.", "aioodbc.")


def is_reduced_name(name: str) -> bool:
    """Return whether a dotted name is that of an exception whose text may hold values."""
    return name.startswith(_PREFIXES) and name not in FIXED


def exception_name(cls: type) -> str:
    """Return the name of a class with its module, even if a metaclass defines other ones."""
    return f"{_NAMESPACE(cls).get('__module__')}.{_QUALNAME(cls)}"


def is_reduced(cls: type) -> bool:
    """Return whether the text of a class's exceptions may hold values: the most specific library class decides."""
    for base in _MRO(cls):
        if issubclass(base, BaseException):
            name = exception_name(base)
            if name.startswith(_PREFIXES):
                return name not in FIXED
    return False


def is_class_of_application(name: str) -> bool:
    """Return whether a name in a text is that of a class of the application that is derived from a library's."""
    known = _derived.get(name)
    if known is None:
        cls = _class_named(name)
        # A class that is no attribute of its module: of a function, another class, or made by a library.
        known = _is_derived(name) if cls is None else is_reduced(cls)
        if len(_derived) < _MAX_DERIVED:
            _derived[name] = known
    return known


def _is_derived(name: str) -> bool:
    waiting: list[type] = [Exception]
    seen: set[type] = set()
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            if exception_name(cls) == name and is_reduced(cls):
                return True
            waiting += type.__subclasses__(cls)
    return False


def _class_named(name: str) -> type | None:
    """Return the exception class of a name, with or without the module, if the module is imported."""
    module_name, _, qualname = name.rpartition(".")
    module: Any = sys.modules.get(module_name or "__main__")
    found = vars(module).get(qualname) if isinstance(module, ModuleType) else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def code_of_class(name: str) -> str:
    """Return the SQLSTATE that psycopg and asyncpg give to the class of a dotted name, or an empty string."""
    cls = _class_named(name) if name.startswith(_PREFIXES) else None
    return (
        _sqlstate(next((vars(base)["sqlstate"] for base in cls.__mro__ if "sqlstate" in vars(base)), None))
        if cls
        else ""
    )


def code_of(error: BaseException) -> str:
    """Return the library's own code of an error, e.g. ``SQLSTATE 23505`` or ``code 1062``, or an empty string."""
    for link in _origins(error):
        with suppress(Exception):  # a subclass of the application may define any of the attributes
            if code := _code(link):
                return code
    return ""


def message(error: BaseException) -> str:
    """Return what replaces the text of a database error: the driver's class if SQLAlchemy wraps it, and the code."""
    original = _original(error)
    code = code_of(error) or MASK
    return code if original is None else f"({_name_for_sqlalchemy(original)}) {code}"


def inline(error: BaseException) -> str:
    """Return what replaces a database error within another text: the driver's class, and the code."""
    return message(error) if _original(error) is not None else f"({exception_type(error)}) {message(error)}"


def arguments(error: BaseException) -> tuple[Any, ...]:
    """Return the arguments of an exception, whatever its class defines under the name ``args``."""
    return _ARGS(error)


def _original(error: BaseException) -> BaseException | None:
    """Return the error that SQLAlchemy or Tortoise wraps."""
    found = vars(error).get("orig") or next(iter(arguments(error)), None)
    return found if isinstance(found, BaseException) else None


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors of drivers that it stands for."""
    yield error
    original = _original(error)
    for link in (original, error.__cause__, original.__cause__ if original else None):
        if link is not None and is_reduced(type(link)):
            yield link


def _name_for_sqlalchemy(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__name__}"


def _sqlstate(value: object) -> str:
    return f"SQLSTATE {value}" if isinstance(value, str) and _STATE.fullmatch(value) else ""


def _code(error: Any) -> str:
    first = next(iter(arguments(error)), None)
    for number in (
        getattr(error, "errno", None),  # mysql.connector
        getattr(error, "sqlite_errorcode", None),
        getattr(error, "code", None),  # pymongo
        first,  # PyMySQL, mysqlclient, asyncmy
    ):
        if type(number) is int:
            return f"code {number}"
    for state in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None)):
        if code := _sqlstate(state):
            return code
    oracle = getattr(first, "full_code", None)
    if isinstance(oracle, str) and oracle:
        return oracle[:16]
    return _sqlstate(first) if exception_type(error).startswith(_ODBC) else ""
