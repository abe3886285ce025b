"""What a database reports of an error is at no sink: of spans and log records the class and the code are left."""

import logging

import pytest
import sqlalchemy
from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.asgi import get
from tests.otlp import http_receiver
from tests.sql.shop import users
from wxiai_otel import record_login_failure, setup_telemetry

SECRET = "s3cr3t"
CODES = {"sqlite": "code 2067", "postgresql": "SQLSTATE 23505"}
VALUES = {
    "quotes": f'it\'s "{SECRET}" `{SECRET}`',
    "lines": f"a\n{SECRET}\r\n\n{SECRET}\n",
    "brackets": f"x] {SECRET})\n[SQL: {SECRET}]\n[parameters: {SECRET}",
    "chinese": f"张三{SECRET}：密码",
    "background": f"x\n(Background on this error at: https://sqlalche.me/e/20/gkpj) {SECRET}",
    "chained": f"x\n\nDuring handling of the above exception, another exception occurred:\n\n{SECRET}\n{SECRET}",
    "title": f"x\nTraceback (most recent call last):\n{SECRET}",
    "traceback": f'x\nTraceback (most recent call last):\n  File "{SECRET}"\n    {SECRET}\n{SECRET}',
    "class": f"psycopg.Error: {SECRET}",
    "escapes": f"\\n{SECRET}\\x00%s %(x)s",
}
LOG = logging.getLogger("app")


class Duplicate(IntegrityError):
    """An error of the application, whose text is its own."""

    def __str__(self):
        return f"{self.params} exists: {self.args}"


class NotSaved(Exception):
    """A wrapper of the application's."""


@pytest.fixture
def received():
    with http_receiver() as receiver:
        yield receiver


def wrapped(error):
    raise NotSaved(f"could not save: {error}; again") from error


def in_a_repr(error):
    raise NotSaved(f"could not save: {error!r}, {error.orig!r}") from error


def in_one_line(error):
    raise NotSaved(str(error.orig).replace("\n", " ")) from None


def with_the_drivers_alone(error):
    raise NotSaved(f"could not save: {error.orig}; again")


def refused(error):
    raise HTTPException(500, {"said": str(error)}) from error


def of_the_applications_class(error):
    raise Duplicate(error.statement, error.params, error.orig) from error


def in_a_group(error):
    raise ExceptionGroup("several", [ValueError("fine"), error, ExceptionGroup(f"{error}", [NotSaved(str(error))])])


def noted(error):
    error.add_note(f"while saving: {error}")
    raise error


RAISED = [wrapped, in_a_repr, in_one_line, with_the_drivers_alone, of_the_applications_class, in_a_group, noted]


def logged(error):
    LOG.error("could not save", exc_info=True)
    LOG.error("could not save: %s; again", error)
    LOG.error("could not save: %(error)s, %(error)r", {"error": error})
    LOG.error(f"could not save: {error}")  # noqa: G004 - as applications do
    LOG.error(error)
    LOG.error("could not save: %s", error.orig, exc_info=error)
    LOG.warning("it was", extra={"said": str(error)})


def traced(error):
    tracer = trace.get_tracer("app")
    for kind in (*RAISED, refused):
        try:
            with tracer.start_as_current_span(kind.__name__) as span:
                span.set_attribute("error.message", str(error))
                span.add_event("failed", {"why": str(error.orig), "all": [str(error)]})
                kind(error)
        except (Exception, ExceptionGroup):
            continue
    span = tracer.start_span("ended")
    span.record_exception(error.orig)
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()


def texts(messages):
    """Return every text of exported messages, without escapes."""
    found = []

    def walk(message):
        for field, value in message.ListFields():
            for one in value if field.is_repeated else [value]:
                walk(one) if field.message_type else found.append(str(one))

    for message in messages:
        walk(message)
    return found


def attributes_of(event):
    return {item.key: item.value.string_value for item in event.attributes}


async def duplicate(database, value, **options):
    """Return the error of a value that is there already."""
    engine = database.engine(**options)
    if "postgresql" in database.url:
        await database.run(
            lambda connection: connection.execute(text("ALTER TABLE users ALTER name TYPE text")), engine
        )
    try:
        await database.run(lambda connection: connection.execute(insert(users), {"name": value}), engine)
        await database.run(lambda connection: connection.execute(insert(users), {"name": value}), engine)
    except DBAPIError as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize("kind", VALUES)
async def test_no_value_is_in_what_is_said_of_an_error_anywhere(database, received, kind):
    app = FastAPI()
    telemetry = setup_telemetry(
        app, otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1, log_attributes=["said"]
    )
    error = await duplicate(database, VALUES[kind])

    @app.get("/{number}")
    async def fail(number: int):
        try:
            raise error
        except IntegrityError as again:
            logged(again)
            traced(again)
            record_login_failure(str(again.orig)[:100])
            trace.get_current_span().record_exception(again)
            RAISED[number](again)

    for number in range(len(RAISED)):
        await get(app, f"/{number}")
    exposition = telemetry.render_metrics()[0].decode()
    assert telemetry.force_flush(30)

    assert SECRET in str(error)
    found = [*texts(received.spans), *texts(received.records), *texts(received.metrics), exposition]
    assert [one for one in found if SECRET in one] == []
    code = CODES[database.url.partition("+")[0]]
    said = [span.status.message for span in received.spans if span.kind == span.SPAN_KIND_SERVER]
    assert len(said) == len(RAISED)
    assert [one for one in said if code not in one and "several" not in one] == []


async def test_class_and_code_are_left_and_the_frames(database, received):
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1)
    error = await duplicate(database, VALUES["lines"])

    @app.get("/raised")
    async def raised():
        raise error

    @app.get("/wrapped")
    async def fail():
        LOG.error("could not save: %s; again", error)
        wrapped(error)

    await get(app, "/raised")
    await get(app, "/wrapped")
    assert telemetry.force_flush(30)

    orig = type(error.orig)
    left = f"({orig.__module__}.{orig.__name__}) {CODES[database.url.partition('+')[0]]}"
    (one,), (other,) = ([s for s in received.spans if s.name == f"GET /{name}"] for name in ("raised", "wrapped"))
    assert one.status.message == f"IntegrityError: {left}"
    said = attributes_of(one.events[0])
    assert said["exception.type"] == "sqlalchemy.exc.IntegrityError"
    assert said["exception.message"] == left
    lines = said["exception.stacktrace"].splitlines()
    assert lines[-1] == f"sqlalchemy.exc.IntegrityError: {left}"
    assert "The above exception was the direct cause of the following exception:" in lines
    assert sum("in do_execute" in line for line in lines) >= 1
    assert other.status.message == f"NotSaved: could not save: {left}"
    assert received.records[0].body.string_value == f"could not save: {left}; again"


@pytest.mark.parametrize("options", [{"hide_parameters": True}, {}], ids=["hidden", "shown"])
async def test_a_value_of_a_megabyte_costs_little_and_is_not_shown(postgresql, received, options):
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=received.url, logs_exporter="otlp", trace_share=1)
    huge = f"{SECRET} ' \n" * 100_000

    @app.get("/{kind}")
    async def fail(kind: str):
        engine = postgresql.engine(**options)
        statement = (
            text("SELECT CAST(:value AS INTEGER)")
            if kind == "cast"
            else text(f"SELECT '{huge.replace(chr(39), '')}'::int")
        )
        try:
            with engine.connect() as connection:
                connection.execute(statement, {"value": huge} if kind == "cast" else {})
        except DBAPIError as error:
            LOG.exception("could not save: %s", error)
            raise NotSaved(f"could not save: {error}") from error

    for kind in ("cast", "literal"):
        await get(app, f"/{kind}")
    assert telemetry.force_flush(30)

    assert [one for one in (*texts(received.spans), *texts(received.records)) if SECRET in one] == []
    postgresql_server = [span for span in received.spans if span.kind == span.SPAN_KIND_SERVER]
    assert {span.status.message for span in postgresql_server} == {
        "NotSaved: could not save: (psycopg.errors.InvalidTextRepresentation) SQLSTATE 22P02"
    }


async def test_an_error_of_a_type_of_the_application_loses_its_text_within_a_statement(sqlite, received):
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=received.url, trace_share=1)

    class Strict(sqlalchemy.types.TypeDecorator):
        impl = sqlalchemy.String
        cache_ok = True

        def process_bind_param(self, value, dialect):
            raise ValueError(f"bad: {value}")

    @app.get("/x")
    async def fail():
        with sqlite.engine().connect() as connection:
            connection.execute(sqlalchemy.select(sqlalchemy.literal(SECRET, Strict())))

    await get(app, "/x")
    assert telemetry.force_flush(30)

    (span,) = [one for one in received.spans if one.name == "GET /x"]
    assert span.status.message == "StatementError: (builtins.ValueError) ****"
    # The application's own exception keeps its text, which is the application's.
    assert attributes_of(span.events[0])["exception.message"] == "(builtins.ValueError) ****"
