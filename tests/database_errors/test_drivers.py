"""Errors of every database library are reduced, whether its classes or only their texts are known.

The libraries are not installed: an exception counts as one of a library by the module of its class.
"""

import asyncio
import datetime as dt
import json
import logging
from contextlib import suppress

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from redis import exceptions as redis_errors

from tests.asgi import get
from wxiai_otel import setup_telemetry

SECRET = "s3cr3t"
LOG = logging.getLogger("app")


def error(name, *args, base=Exception, **attributes):
    """Make an exception of a class of this dotted name."""
    module, _, qualname = name.rpartition(".")
    made = type(qualname, (base,), {"__module__": module})(*args)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


class OracleError:
    """The only argument of the exceptions of oracledb."""

    full_code = "ORA-00001"
    message = f'ORA-00001: unique constraint (X.Y) violated on "{SECRET}"'

    def __str__(self):
        return self.message


DAY = dt.date(2026, 1, 1)
DB_API = type("DatabaseError", (type("Error", (Exception,), {"__module__": "dm"}),), {"__module__": "dm"})
UNIQUE = f'duplicate key value violates unique constraint "users_name_key"\nDETAIL:  Key (name)=({SECRET}) exists.'
CHINESE = f'错误:  重复键违反唯一约束"users_name_key"\n描述:  键值"(name)=({SECRET})" 已经存在\n背景:  在 {SECRET}'
DUPLICATE = f"Duplicate entry '{SECRET}' for key 'users.name'"
ODBC = f"[23000] [Microsoft][ODBC Driver 18 for SQL Server]The duplicate key value is ({SECRET}). (2627)"
MONGO = f'E11000 duplicate key error collection: a.users index: name_1 dup key: {{ name: "{SECRET}" }}'

ERRORS = {
    "psycopg2": (error("psycopg2.errors.UniqueViolation", UNIQUE, pgcode="23505"), "SQLSTATE 23505"),
    "psycopg2 in Chinese": (error("psycopg2.errors.UniqueViolation", CHINESE, pgcode="23505"), "SQLSTATE 23505"),
    "pg8000": (error("pg8000.exceptions.DatabaseError", {"C": "23505", "M": UNIQUE, "D": SECRET}), "****"),
    "pymysql": (error("pymysql.err.IntegrityError", 1062, DUPLICATE), "code 1062"),
    "aiomysql": (error("pymysql.err.DataError", 1366, f"Incorrect integer value: '{SECRET}'"), "code 1366"),
    "mysqlclient": (error("MySQLdb.IntegrityError", 1062, f"重复条目 '{SECRET}'"), "code 1062"),
    "asyncmy": (error("asyncmy.errors.IntegrityError", 1062, DUPLICATE), "code 1062"),
    "mysql-connector": (
        error("mysql.connector.errors.IntegrityError", f"1062 (23000): {DUPLICATE}", errno=1062, sqlstate="23000"),
        "code 1062",
    ),
    "oracledb": (error("oracledb.exceptions.IntegrityError", OracleError()), "ORA-00001"),
    "cx_Oracle": (error("cx_Oracle.IntegrityError", OracleError()), "ORA-00001"),
    "pyodbc": (error("pyodbc.IntegrityError", "23000", ODBC), "SQLSTATE 23000"),
    "tortoise": (
        error("tortoise.exceptions.IntegrityError", error("asyncpg.UniqueViolationError", UNIQUE, sqlstate="23505")),
        "(asyncpg.UniqueViolationError) SQLSTATE 23505",
    ),
    "peewee": (error("peewee.IntegrityError", 1062, DUPLICATE), "code 1062"),
    "a query of peewee": (
        error(
            "app.UserDoesNotExist",
            f"<Model: User> instance matching query does not exist:\nSQL: SELECT ?\nParams: ['{SECRET}']",
            base=type("DoesNotExist", (Exception,), {"__module__": "peewee"}),
        ),
        "****",
    ),
    "pymongo": (error("pymongo.errors.DuplicateKeyError", MONGO, code=11000), "code 11000"),
    "bson": (error("bson.errors.InvalidDocument", f"cannot encode object: {SECRET}"), "****"),
    "redis": (redis_errors.ResponseError(f"unknown command 'x', with args beginning with: '{SECRET}'"), "****"),
    "valkey": (error("valkey.exceptions.ResponseError", f"Command # 1 (SET x {SECRET}) of pipeline failed"), "****"),
    "duckdb": (error("_duckdb.ConstraintException", f'Duplicate key "id: {SECRET}" violates'), "****"),
    "elasticsearch": (
        error("elasticsearch.BadRequestError", 400, "parsing", {"reason": [f"Preview of field's value: {SECRET}"]}),
        "code 400",
    ),
    "neo4j": (error("neo4j.exceptions.ClientError", f"Invalid input '{SECRET}'"), "****"),
    "an unknown driver of the DB-API": (
        error("dm.IntegrityError", f"[CODE:-6602] {SECRET}", base=DB_API, errno=6602),
        "code 6602",
    ),
    "arguments that contain others": (
        error("pymongo.errors.BulkWriteError", "failed", 65, {"op": [{"name": SECRET, "at": DAY}]}, code=65),
        "code 65",
    ),
    "the session of SQLAlchemy": (
        error("sqlalchemy.orm.exc.FlushError", f"New instance with identity key (User, ('{SECRET}',), None)"),
        "****",
    ),
    "a class of the application": (
        error("app.Taken", UNIQUE, base=type(error("psycopg2.errors.UniqueViolation")), pgcode="23505"),
        "SQLSTATE 23505",
    ),
}


@pytest.fixture
def application(received):
    app = FastAPI()
    return app, setup_telemetry(app, otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1)


def in_a_chain(one):
    try:
        raise one
    except Exception as caught:
        raise RuntimeError(f"could not save: {caught}") from caught


def leaks(received):
    return [text for text in map(str, (*received.spans, *received.records)) if SECRET in text]


@pytest.mark.parametrize("library", ERRORS)
async def test_a_request_that_fails_reports_class_and_code(application, received, library):
    app, telemetry = application
    one, code = ERRORS[library]

    @app.get("/raised")
    async def raised():
        raise one

    @app.get("/wrapped")
    async def wrapped():
        LOG.error("could not save: %s", one)
        in_a_chain(one)

    await get(app, "/raised")
    await get(app, "/wrapped")
    assert telemetry.force_flush()

    assert SECRET in str(one)
    assert leaks(received) == []
    first, second = (span.status.message for span in received.spans if span.name.startswith("GET"))
    name = f"{type(one).__module__}.{type(one).__name__}"
    inline = code if code.startswith("(") else f"({name}) {code}"
    assert first == f"{type(one).__name__}: {code}"
    assert second in (f"RuntimeError: could not save: {inline}", "RuntimeError: could not save: ****")
    assert received.records[0].body.string_value == f"could not save: {inline}"


@pytest.mark.parametrize("library", ERRORS)
def test_spans_of_the_applications_tracer_report_no_value(application, received, library):
    _, telemetry = application
    one, _ = ERRORS[library]
    tracer = trace.get_tracer("app")
    with suppress(Exception), tracer.start_as_current_span("raised"):
        raise one
    with suppress(Exception), tracer.start_as_current_span("wrapped"):
        in_a_chain(one)
    with suppress(ExceptionGroup), tracer.start_as_current_span("group"):
        raise ExceptionGroup("several", [one, ValueError("fine")])
    span = tracer.start_span("database", attributes={"db.system.name": "x"})
    span.set_status(Status(StatusCode.ERROR, str(one)))
    span.end()
    assert telemetry.force_flush()

    assert leaks(received) == []
    group = next(str(span) for span in received.spans if span.name == "group")
    assert "ValueError: fine" in group
    assert "+------------------------------------" in group


# What a request of a text alone looks like: no exception is at hand, and the class is in it or not.
TEXTS = {
    "class": f"saving: psycopg2.errors.UniqueViolation: {UNIQUE}",
    "PostgreSQL": f"could not save: {UNIQUE}",
    "PostgreSQL in Chinese": f"无法保存：{CHINESE}",
    "a type": f'invalid input syntax for type integer: "{SECRET}"',
    "a statement": f"column \"x\" does not exist\nLINE 1: SELECT x FROM y WHERE z = '{SECRET}'",
    "MySQL": f'(1062, "{DUPLICATE}")',
    "mysql-connector": f"1366 (HY000): x '{SECRET}'",
    "MongoDB": f"{MONGO}, full error: {{'keyValue': {{'name': '{SECRET}'}}}}",
    "Oracle": f"ORA-01722: invalid number {SECRET}",
    "ODBC": f"('42S02', \"{ODBC}\")",
    "SQLite": f'near "{SECRET}": syntax error',
    "SQLAlchemy": f"(app.types.Bad) {SECRET}\n[SQL: SELECT ?]\n[parameters: ('{SECRET}',)]",
    "hidden": f"x\n[SQL: SELECT '{SECRET}']\n[SQL parameters hidden due to hide_parameters=True]",
    "a column of SQLite": f"no such column: {SECRET}",
    "a column of PostgreSQL": f'column "{SECRET}" does not exist',
    "a column of MySQL": f"Unknown column '{SECRET}' in 'where clause'",
    "SQL Server": f"Violation of UNIQUE KEY constraint. The duplicate key value is ({SECRET}).",
    "a list": f"(1292, 'Truncated incorrect DOUBLE value: {SECRET}')",
    "a pipeline": f"Command # 1 (SET x {SECRET}) of pipeline caused error: OOM",
    "a class beside Chinese": f"保存失败psycopg2.errors.RaiseException: {SECRET}",
    "a class of an unknown driver": f"dm.IntegrityError: [CODE:-6602] {SECRET}",
    "a class without its package": f"OperationalError: {SECRET}",
    "a repr": f"failed: [IntegrityError('{SECRET}')]",
    "a repr of numbers": f"failed: OperationalError(1644, 'user {SECRET} is blocked')",
    "a line of JSON": json.dumps({"exc": f"x\npsycopg2.errors.RaiseException: {SECRET}"}),
    "a line of JSON without a class": json.dumps({"exc": f"x\nLINE 1: SELECT '{SECRET}'"}),
    "a detail of PostgreSQL": f"Key (name)=({SECRET}) already exists.",
    "a row of PostgreSQL": f"Failing row contains (1, {SECRET}).",
    "a detail in Chinese": f'键值"(name)=({SECRET})" 已经存在',
    "a foreign key in Chinese": f'更新违反了在 "b" 上的外键约束 "c"\n键值对(id)=({SECRET})仍然是从表"b"引用的',
    "a type in Chinese": f'对于枚举mood的输入值无效: "{SECRET}"',
    "a range in Chinese": f'值 "{SECRET}" 超出类型 integer 的范围',
    "a syntax error in Chinese": f'语法错误 在 "{SECRET}" 或附近的',
    "SQL Server in Chinese": f"违反了 UNIQUE KEY 约束“U”。重复键值为 ({SECRET})。",
    "a conversion in Chinese": f"在将 varchar 值 '{SECRET}' 转换成数据类型 int 时失败。",
    "a truncation in Chinese": f"将截断字符串或二进制数据。截断值:“{SECRET}”。",
    "a truncation": f"String or binary data would be truncated. Truncated value: '{SECRET}'.",
    "ClickHouse": f"Code: 6. DB::Exception: Cannot parse string '{SECRET}' as UInt8",
    "DuckDB": f'Constraint Error: Duplicate key "id: {SECRET}" violates primary key constraint.',
    "a conversion of DuckDB": f"Conversion Error: Could not convert string '{SECRET}' to INT32",
    "Elasticsearch": f"failed to parse field [a] of type [float]. Preview of field's value: '{SECRET}'",
    "Neo4j": f"Node(0) already exists with label `U` and property `n` = '{SECRET}'",
    "a document of MongoDB": f"{{'code': 11000, 'keyValue': {{'mobile': '{SECRET}'}}}}",
    "a traceback": f'x\nTraceback (most recent call last):\n  File "x.py", line 1, in x\n    x()\nredis.X: {SECRET}',
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_alone_loses_what_a_database_reported(application, received, kind):
    _, telemetry = application
    LOG.error(TEXTS[kind])
    trace.get_tracer("app").start_span("x", attributes={"why": TEXTS[kind], "all": [TEXTS[kind]]}).end()
    assert telemetry.force_flush()

    assert leaks(received) == []
    assert len(received.records) == len(received.spans) == 1


def test_a_class_within_a_function_is_known_by_its_base_class(application, received):
    _, telemetry = application

    class Taken(redis_errors.ResponseError):
        pass

    with suppress(Exception), trace.get_tracer("app").start_as_current_span("x"):
        raise Taken(f"{SECRET} is taken")
    assert telemetry.force_flush()

    assert leaks(received) == []
    assert received.spans[0].status.message.endswith("Taken) ****")


class DataError(Exception):
    """An error of the application with a name of the DB-API."""


# Texts of applications and of libraries that hold no value.
HARMLESS = [
    "order 4711: duplicate item (3, 'red'), key is taken",
    "错误: 用户不存在, 重复提交",
    "connected to redis: 3 connections; sqlalchemy: pool of 5",
    "SELECT near the line 12: no syntax error",
    "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
    "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.",
    "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached",
    "could not import psycopg.errors",
    "point (1366, 'px') clicked",
    "[12345] [worker] started",
    "loaded sqlalchemy.orm: 3 models",
    "this new row violates the layout",
    "could not convert string to float: 'abc'",
    "ValueError: invalid literal for int() with base 10: 'abc'",
    "InternalError: queue full",
    "retrying after IntegrityError",
    "重复内容已跳过, 重复的条目 3 个",
    "违反社区规范，约束条件未满足",
    "请求违反频率约束",
    "无效的输入值，请重新填写",
    "对于该类型的输入值没有限制",
    "语法错误，请检查提示词",
    f"{__name__}.DataError: row 7 is empty",
    "(1024, 'pixels') code 5: 3 (12345): done",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay(application, received, text):
    _, telemetry = application
    LOG.error(text)
    assert telemetry.force_flush()

    assert received.records[0].body.string_value == text


def test_errors_whose_text_a_library_fixes_keep_it(application, received):
    _, telemetry = application
    with suppress(Exception), trace.get_tracer("app").start_as_current_span("x"):
        raise redis_errors.ConnectionError("Error 111 connecting to cache:6379.")
    assert telemetry.force_flush()

    assert received.spans[0].status.message == "ConnectionError: Error 111 connecting to cache:6379."


async def test_results_of_gathered_tasks_lose_what_a_database_reported(application, received):
    _, telemetry = application

    async def fail():
        raise error("psycopg2.errors.RaiseException", f"{SECRET} has no credits", pgcode="P0001")

    results = await asyncio.gather(fail(), return_exceptions=True)
    LOG.error("results: %s", results)
    LOG.error("results: %(all)s", {"all": {"first": results}})
    assert telemetry.force_flush()

    assert [record.body.string_value.count("SQLSTATE P0001") for record in received.records] == [1, 1]
    assert leaks(received) == []


def _fail(*_):
    raise RuntimeError


# What a class of the application may redefine.
HOSTILE = [
    {"__cause__": property(_fail)},
    {"__traceback__": property(_fail)},
    {"__class__": property(_fail)},
    {"__dict__": property(_fail), "args": property(_fail)},
    {"__str__": _fail, "__repr__": _fail, "__bool__": _fail},
]


@pytest.mark.parametrize("members", HOSTILE, ids=", ".join)
async def test_an_error_that_cannot_be_read_is_recorded_with_its_class(application, received, members):
    app, telemetry = application
    hostile = type("Hostile", (DB_API,), members)(SECRET * 2)
    quiet = logging.getLogger("quiet")
    quiet.propagate, quiet.handlers = False, [logging.NullHandler()]  # other handlers read the error

    @app.get("/")
    async def fail():
        quiet.error("failed", exc_info=(type(hostile), hostile, None))
        raise hostile

    await get(app, "/")
    assert telemetry.force_flush()

    span = next(span for span in received.spans if span.name == "GET /")
    assert len(span.events) == 1
    assert len(received.records) == 1
    assert leaks(received) == []


async def test_an_argument_that_stands_for_another_object_is_not_asked_for_it(application, received):
    app, telemetry = application
    asked = []

    class Proxy:
        @property
        def __class__(self):
            asked.append(self)
            return dict

        def __bool__(self):
            asked.append(self)
            return True

        def __str__(self):
            return "proxy"

    proxy = Proxy()

    @app.get("/")
    async def fail():
        raise ValueError(proxy)

    await get(app, "/")
    assert telemetry.force_flush()

    assert asked == []
    assert next(span.status.message for span in received.spans) == "ValueError: proxy"
