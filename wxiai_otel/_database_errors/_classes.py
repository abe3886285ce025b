"""Exception classes of database libraries, and the codes of their errors. Imports none of the libraries."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, TypeGuard

from .._labels import exception_type

# As in `wxiai_otel._redaction`, which imports this package.
MASK = "****"
# Packages whose exceptions may repeat values of the application.
LIBRARIES = (
    "MySQLdb",
    "_duckdb",
    "advanced_alchemy",
    "aiomysql",
    "aioodbc",
    "aiopg",
    "aioredis",
    "aiosqlite",
    "apsw",
    "asynch",
    "asyncmy",
    "asyncpg",
    "beanie",
    "bson",
    "cassandra",
    "clickhouse_connect",
    "clickhouse_driver",
    "coredis",
    "cx_Oracle",
    "databases",
    "django.db",
    "duckdb",
    "elastic_transport",
    "elasticsearch",
    "gridfs",
    "ibm_db_dbi",
    "infi.clickhouse_orm",
    "mariadb",
    "mongoengine",
    "mysql.connector",
    "neo4j",
    "odmantic",
    "opensearchpy",
    "oracledb",
    "ormar",
    "peewee",
    "pg8000",
    "piccolo",
    "pony.orm",
    "prisma",
    "psqlpy",
    "psycopg",
    "psycopg2",
    "psycopg2cffi",
    "pymilvus",
    "pymongo",
    "pymssql",
    "pymysql",
    "pyodbc",
    "redis",
    "snowflake",
    "sqlalchemy",
    "sqlite3",
    "sqlmodel",
    "tortoise",
    "trino",
    "valkey",
)
# Names of errors in the DB-API (PEP 249) and common wrappers, for texts that name no package or an unknown one.
# Other fields use the other names of the DB-API too: InternalError, InterfaceError.
NAMES = (
    "DBAPIError",
    "DataError",
    "DatabaseError",
    "DuplicateKeyError",
    "IntegrityError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "StatementError",
)
# Exceptions of these packages whose text the library fixes: counts, tables and hosts, no value of the application.
FIXED = frozenset(
    (
        "sqlalchemy.exc.AwaitRequired",
        "sqlalchemy.exc.MissingGreenlet",
        "sqlalchemy.exc.MultipleResultsFound",
        "sqlalchemy.exc.NoResultFound",
        "sqlalchemy.exc.ResourceClosedError",
        "sqlalchemy.exc.TimeoutError",
        "sqlalchemy.orm.exc.StaleDataError",
        *(
            f"{client}.exceptions.{name}"
            for client in ("redis", "valkey")
            for name in (
                "BusyLoadingError",
                "ConnectionError",
                "LockError",
                "LockNotOwnedError",
                "MaxConnectionsError",
                "TimeoutError",
                "WatchError",
            )
        ),
    )
)
_MRO: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_NAMESPACE: Callable[[type], dict[str, Any]] = type.__dict__["__dict__"].__get__
_MODULE: Any = vars(ModuleType)["__dict__"]
_QUALNAME: Callable[[type], str] = type.__dict__["__qualname__"].__get__
# What the interpreter stores in exceptions, whatever their classes define under these names.
arguments: Callable[[BaseException], tuple[Any, ...]] = BaseException.__dict__["args"].__get__
attributes_of: Callable[[BaseException], dict[str, Any]] = BaseException.__dict__["__dict__"].__get__
cause_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__cause__"].__get__
context_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__context__"].__get__
members_of: Callable[[BaseException], tuple[BaseException, ...]] = BaseExceptionGroup.__dict__["exceptions"].__get__
_PREFIXES = tuple(f"{library}." for library in LIBRARIES)
_STATE = re.compile(r"[0-9A-Z]{5}")
# What `is_report` returns for other names than those of the libraries: to search for a class takes 1 ms.
_MAX_KNOWN = 1_000
_known: dict[str, bool] = {}
# One of their arguments is the SQLSTATE, usually the first.
_ODBC = ("pyodbc.", "aioodbc.")
_ORACLE = ("oracledb.", "cx_Oracle.")


def exception_name(cls: type) -> str:
    """Return the name of a class with its module, even if a metaclass defines other ones."""
    return f"{_NAMESPACE(cls).get('__module__')}.{_QUALNAME(cls)}"


def is_reduced(cls: type) -> bool:
    """Return whether the text of a class's exceptions may hold values: the most specific library class decides.

    Classes that follow the DB-API (PEP 249) are those of a library, whatever its name is.
    """
    parent = ""
    for base in _MRO(cls):
        if issubclass(base, BaseException):
            name = exception_name(base)
            if name.startswith(_PREFIXES):
                return name not in FIXED
            if (parent, _QUALNAME(base)) == ("DatabaseError", "Error"):
                return True
            parent = _QUALNAME(base)
    return False


def is_report(name: str) -> bool:
    """Return whether a name in a text is that of an exception whose text may hold values."""
    if name.startswith(_PREFIXES):
        return name not in FIXED
    known = _known.get(name)
    if known is None:
        cls = _class_named(name)
        # A class that is no attribute of its module: of a function, another class, or made by a library.
        known = name.rpartition(".")[2] in NAMES or _is_derived(name) if cls is None else is_reduced(cls)
        if len(_known) < _MAX_KNOWN:
            _known[name] = known
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
    # Not `isinstance`: it calls code of proxies and of modules that load themselves.
    found: Any = _MODULE.__get__(module).get(qualname) if issubclass(type(module), ModuleType) else None
    return found if issubclass(type(found), type) and issubclass(found, BaseException) else None


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


def is_exception(value: object) -> TypeGuard[BaseException]:
    """Return whether a value is an exception. `isinstance` calls code of proxies of the application."""
    return issubclass(type(value), BaseException)


def of_oracle(error: BaseException, name: str) -> str:
    """Return an attribute of the only argument of an error of Oracle's drivers, or an empty string."""
    args = arguments(error)
    found = getattr(args[0], name, "") if args and exception_name(type(error)).startswith(_ORACLE) else ""
    return found if isinstance(found, str) else ""


def is_of_library(value: object) -> bool:
    """Return whether the class of a value is one of a library."""
    return exception_name(type(value)).startswith(_PREFIXES)


def _original(error: BaseException) -> BaseException | None:
    """Return the error that SQLAlchemy or Tortoise wraps."""
    for found in (attributes_of(error).get("orig"), *arguments(error)[:1]):
        if is_exception(found):
            return found
    return None


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors of drivers that it stands for."""
    yield error
    original = _original(error)
    for link in (original, cause_of(error), cause_of(original) if original is not None else None):
        if link is not None and is_reduced(type(link)):
            yield link


def _name_for_sqlalchemy(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__name__}"


def _sqlstate(value: object) -> str:
    return f"SQLSTATE {value}" if isinstance(value, str) and _STATE.fullmatch(value) else ""


def _code(error: Any) -> str:
    args = arguments(error)
    first = next(iter(args), None)
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
    oracle = of_oracle(error, "full_code")
    if oracle:
        return oracle[:16]
    states = map(_sqlstate, args) if exception_type(error).startswith(_ODBC) else ()
    return next(filter(None, states), "")
