"""What databases report to other SDKs does not get through the real Collector, in spans and in log records."""

import json
import urllib.request

import pytest

from tests.otlp import grpc_receiver, http_receiver
from tests.otlp_json import NOW, attributes
from tests.otlp_logs import logs, record
from tests.otlp_spans import ERROR, new_trace, span, traces
from tests.servers.collector import collector
from tests.until import until

pytestmark = pytest.mark.built

SECRET = "s3cr3t"
UNIQUE = f'duplicate key value violates unique constraint "users_name_key"\nDETAIL:  Key (name)=({SECRET}) exists.'
SQL = (
    f"(psycopg.errors.UniqueViolation) {UNIQUE}\n[SQL: INSERT INTO users VALUES ('{SECRET}')]\n"
    f"[parameters: ('{SECRET}',)]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)"
)
FRAMES = (
    'Traceback (most recent call last):\n  File "x.py", line 1, in save\n'
    "    except sqlalchemy.exc.IntegrityError: raise\n"
)
CAUSE = "\n\nThe above exception was the direct cause of the following exception:\n\n"
CHAIN = f"{FRAMES}psycopg.errors.UniqueViolation: {UNIQUE}{CAUSE}{FRAMES}sqlalchemy.exc.IntegrityError: {SQL}{CAUSE}"
STACK = f"{CHAIN}{FRAMES}app.NotSaved: could not save: {SQL}\n"
REDUCED = f"{FRAMES}psycopg.errors.UniqueViolation: ****{CAUSE}{FRAMES}sqlalchemy.exc.IntegrityError: "
REDUCED += f"(psycopg.errors.UniqueViolation) ****{CAUSE}{FRAMES}"
REDUCED += "app.NotSaved: could not save: (psycopg.errors.UniqueViolation) ****"
GROUP = (
    "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: several (2 sub-exceptions)\n"
    "  +-+---------------- 1 ----------------\n"
    f"    | pymysql.err.IntegrityError: (1062, \"Duplicate entry '{SECRET}'\")\n"
    "    +---------------- 2 ----------------\n    | ValueError: fine\n    +------------------------------------\n"
)
TEXTS = {
    "SQLAlchemy": f"could not save: {SQL}",
    "PostgreSQL": f"ERROR: {UNIQUE}",
    "PostgreSQL in Chinese": f'错误:  重复键违反唯一约束"x"\n描述:  键值"(name)=({SECRET})" 已经存在',
    "MySQL": f"Error 1062 (23000): Duplicate entry '{SECRET}' for key 'users.name'",
    "MongoDB": f'E11000 duplicate key error collection: a.users dup key: {{ name: "{SECRET}" }}',
    "Oracle": f"java.sql.SQLException: ORA-01722: invalid number {SECRET}",
    "a driver of the DB-API": f"dm.IntegrityError: {SECRET}",
    "a repr": f"failed: [IntegrityError('{SECRET}')]",
    "JSON": json.dumps({"exc": f"x\npsycopg2.errors.RaiseException: {SECRET}"}),
    "SQL Server in Chinese": f"违反了 UNIQUE KEY 约束“U”。重复键值为 ({SECRET})。",
    "a class": f"asyncpg.exceptions.DataError: invalid {SECRET}",
}
OURS = (
    "NotSaved: could not save: (psycopg.errors.UniqueViolation) SQLSTATE 23505",
    "sqlalchemy.exc.IntegrityError: (sqlite3.IntegrityError) code 2067",
    "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379.",
    "could not save: IntegrityError('(sqlite3.IntegrityError) code 2067')",
    "order 4711: duplicate item (3, 'red'), key is taken",
)


@pytest.fixture(scope="module")
def backends():
    with grpc_receiver() as spans, http_receiver() as records:
        yield spans, records


@pytest.fixture(scope="module")
def running(backends):
    spans, records = backends
    knobs = {
        "COLLECTOR_JAEGER": spans.url.removeprefix("http://"),
        "COLLECTOR_LOGS_EXPORTER": "otlp_http",
        "COLLECTOR_LOGS_ENDPOINT": records.url,
    }
    with collector("traces", "logs", **knobs) as running:
        yield running


@pytest.fixture
def passed(running, backends):
    """Send a text in every place of a span and of a log record, and return what arrives."""
    spans, records = backends
    spans.traces.clear()
    records.logs.clear()

    def passed(text, **exception):
        said = {"exception.message": text, "why": text, **exception}
        event = {"name": "exception", "timeUnixNano": str(NOW), "attributes": attributes(said)}
        status = {"code": ERROR, "message": text}
        failed = span(new_trace(), status=status, events=[event], values={"error.message": text})
        _send(running, "traces", traces({"service.name": "x"}, failed))
        _send(running, "logs", logs({"service.name": "x"}, record(text, said)))
        assert until(lambda: len(spans.spans), equals=1) == until(lambda: len(records.records), equals=1) == 1
        return spans.spans[0], records.records[0]

    return passed


def _send(running, signal, body):
    asked = urllib.request.Request(
        f"{running.endpoint}/v1/{signal}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(asked, timeout=30).close()


@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_keeps_what_a_database_reported(passed, kind):
    one, other = passed(TEXTS[kind])
    assert SECRET not in f"{one}{other}"
    assert "****" in one.status.message
    assert "****" in other.body.string_value


def values(holder):
    return {item.key: item.value.string_value for item in holder.attributes}


def test_a_traceback_keeps_its_frames(passed):
    said = {"exception.type": "app.NotSaved", "exception.stacktrace": STACK}
    one, other = passed(f"could not save: {SQL}", **said)
    assert SECRET not in f"{one}{other}"
    for holder in (one.events[0], other):
        assert values(holder)["exception.stacktrace"].strip() == REDUCED
        assert values(holder)["exception.message"] == "could not save: (psycopg.errors.UniqueViolation) ****"


def test_a_group_keeps_its_other_exceptions(passed):
    one, other = passed(STACK, **{"exception.stacktrace": GROUP})
    assert SECRET not in f"{one}{other}"
    assert "ValueError: fine\n    +---" in values(one.events[0])["exception.stacktrace"]
    assert other.body.string_value.strip() == REDUCED


def test_the_message_of_a_class_of_a_library_is_masked_as_a_whole(passed):
    one, other = passed(f"bad {SECRET}", **{"exception.type": "bson.errors.InvalidDocument", "why": ""})
    assert values(one.events[0])["exception.message"] == values(other)["exception.message"] == "****"


@pytest.mark.parametrize("text", [f"bad {SECRET}", f"could not save: bad {SECRET}!"], ids=["equal", "longer"])
def test_a_text_that_repeats_the_message_of_such_a_class_loses_it(passed, text):
    said = {"exception.type": "bson.errors.InvalidDocument", "exception.message": f"bad {SECRET}", "why": ""}
    one, other = passed(text, **said)
    left = text.partition("bad ")[0] + "****"
    assert one.status.message == other.body.string_value == left


@pytest.mark.parametrize("text", OURS)
def test_what_is_reduced_and_what_no_database_reported_stays(passed, text):
    one, other = passed(text)
    assert one.status.message == values(one.events[0])["why"] == other.body.string_value == text
