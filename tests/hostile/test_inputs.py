"""Tokens, words of the helpers, settings, SQL, Redis commands: refused as documented, or taken in bounded form."""

import base64
import hashlib
import logging
import os
from contextlib import suppress

import pytest
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st

import wxiai_otel
from tests.hostile.cases import begin, cases
from tests.hostile.internals import (
    MAX_COMMAND,
    MAX_NAME,
    MAX_SHOWN,
    decode,
    read,
    read_command,
    redacted,
    without_arguments,
    without_literals,
)
from tests.hostile.strategies import ANY, JSON, TEXT
from tests.scrape import scrape
from wxiai_otel import TaskTokenError, setup_telemetry
from wxiai_otel.settings import SettingError, load_settings


def forged(body: bytes) -> str:
    """A token whose checksum is right: without a secret anyone can make one."""
    raw = body + hashlib.sha256(body).digest()[:6]
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


TOKENS = TEXT | st.binary(max_size=900).map(lambda body: forged(b"\x01" + body)) | JSON | st.binary()


@cases(6)
@given(TOKENS, st.none() | st.sampled_from(["", "secret", "\udcff"]))
def test_any_token_is_a_task_or_the_documented_error(token, secret):
    begin()
    try:
        state = decode(token, secret)
    except TaskTokenError:
        return
    assert state is None or max(map(len, (state.service, state.mode, state.role))) <= 255


def test_whatever_the_helpers_are_given_nothing_is_raised_and_series_are_bounded(monkeypatch):
    monkeypatch.setattr(logging.getLogger("wxiai_otel.events"), "disabled", True)
    telemetry = setup_telemetry(FastAPI(), strict=False, detection=True, state_redis="memory", max_series=100)
    word = TEXT | st.none() | st.integers() | st.binary(max_size=9)

    @cases(6)
    @given(word, word, word, TOKENS)
    def holds(one, other, third, token):
        begin()
        wxiai_otel.record_error(one, other)
        wxiai_otel.record_payment_failure(one, other)
        wxiai_otel.record_upload_failure(one)
        wxiai_otel.record_login_failure(one, account=other)
        wxiai_otel.record_security_event(one, other, said=third)
        wxiai_otel.record_credits("consume", one, service=other, user_role=third)
        wxiai_otel.record_user_activity(one, other)
        wxiai_otel.start_ai_task(one, other, user_role=third)
        with suppress(TaskTokenError):
            wxiai_otel.complete_ai_task(token, "success")

    holds()
    seen = scrape(telemetry)
    for name in ("application_errors_total", "payment_failures_total", "login_failures_total", "ai_tasks_total"):
        found = [sample for sample in seen.samples if sample.name == name]
        assert 0 < len(found) <= 101
        assert all(len(value) <= 1_280 for sample in found for value in sample.labels.values())


NAMES = sorted(load_settings({}, {}).__slots__)
VARIABLES = [f"WXIAI_OTEL_{name.upper()}" for name in NAMES] + [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_METRIC_EXPORT_INTERVAL",
]
VALUES = TEXT | st.sampled_from(
    [
        "http://[::1",
        "redis://[::1",
        "1e400",
        "-0",
        "nan",
        "9" * 5_000,
        "/a*b",
        "../../etc",
        "America",
        "tcp://:",
        "0.0.0.0/99",
    ]
)
OBJECTS = JSON | st.sampled_from([10**400, 10**5_000, float("nan"), b"x", object(), {"a": len}, [1], "redis://[::1"])


@cases(6)
@given(st.dictionaries(st.sampled_from(NAMES) | ANY, OBJECTS | VALUES, max_size=2))
@example({"max_series": 10**5_000})
@example({"redis_client": "redis://[::1"})
def test_any_argument_is_a_setting_or_the_documented_error(arguments):
    begin()
    try:
        load_settings(arguments, {})
    except SettingError as refused:
        said = str(refused)
    else:
        return
    assert len(said) < 2_000


@cases(4)
@given(st.dictionaries(st.sampled_from(VARIABLES), VALUES, max_size=3))
def test_any_environment_is_settings_or_the_documented_error(environ):
    begin()
    try:
        load_settings({}, environ)
    except SettingError as refused:
        said = str(refused)
    else:
        return
    assert len(said) < 2_000


# What stands between literals, and literals; the secret is in the latter only.
SECRET = "s3cretw0rd"
AROUND = st.lists(
    st.sampled_from(
        [
            *("SELECT ", "FROM t ", "ARRAY[", "]", "[a b]", "(", ")", ", ", " = ", "a", "\n", "::text", "\\", ".", ";"),
            *("-- it's\n", "/* it's */", "/* a /* b */", "$1", ":n", "?", "@", "IN (", "1.5e10", "- ", "{", "}", "%s"),
        ]
    ),
    max_size=6,
).map("".join)
LITERALS = st.sampled_from(
    ["'{}'", "'it''s {}'", "E'\\'{}'", "N'{}'", "X'{}'", "$${}$$", "$a$ ' {} $a$", "-- {}\n", "/* {} */", " '\n{}\n'"]
)
MYSQL = st.sampled_from(
    ["'{}'", "'\\'{}'", '"{}"', '"\\"{}"', "'it''s\n{}'", "# {}\n", "-- {}\n", "/* {} */", '"it\'s\n{}"']
)


@cases(8)
@given(st.lists(st.tuples(AROUND, LITERALS), min_size=1, max_size=4))
@example([("SELECT ARRAY[a, ", "'{}'"), ("]", "/* {} */")])
@example([("SELECT ARRAY[", "E'\\'{}'")])
@example([("SELECT 1 /* a /* b */ ", "/* {} */")])
def test_no_literal_of_a_statement_is_shown(parts):
    begin()
    text = "".join(f"{around} {literal.format(SECRET)}" for around, literal in parts)
    assert SECRET not in without_literals(text)


@cases(6)
@given(
    st.lists(st.tuples(AROUND.map(lambda text: text.replace("\\", "").replace("$", "")), MYSQL), min_size=1, max_size=4)
)
@example([("SELECT 1 -- don't\n, ", "'it''s\n{}'")])
@example([("SELECT `don't`, ", "'{}'")])
@example([("SELECT 5-", "-'\n{}'")])
def test_no_literal_of_a_statement_of_mysql_is_shown(parts):
    begin()
    text = "".join(f"{around} {literal.format(SECRET)}" for around, literal in parts)
    assert SECRET not in without_literals(text, backslashes=True)


@cases(6)
@given(TEXT | AROUND, st.booleans())
def test_any_statement_is_read_in_bounded_form(text, backslashes):
    begin()
    found = read(text)
    assert 0 < len(found.table) <= MAX_NAME
    assert len(found.operation) <= 20
    assert len(without_literals(text, backslashes=backslashes)) <= MAX_SHOWN + 3


ARGUMENTS = st.lists(TEXT | st.binary(max_size=50) | st.integers() | st.floats() | st.none(), max_size=6)


@cases(4)
@given(
    ARGUMENTS
    | st.builds(lambda name, rest: [name, *rest], st.sampled_from(["GET", "mget", b"XREAD", "CONFIG"]), ARGUMENTS)
)
def test_any_command_has_an_operation_and_shows_no_argument(arguments):
    begin()
    command = read_command(arguments)
    assert command.operation in {"get", "set", "delete", "other"}
    assert command.is_blocking in (True, False)
    assert len(command.full_name) <= 2 * 3 * MAX_COMMAND + 1
    assert all(count > 0 for _, count in command.results(ValueError()))
    shown = without_arguments(command).removeprefix(command.full_name)
    assert set(shown) <= {" ", "?"}


@cases(4)
@given(TEXT)
def test_redaction_takes_any_text_and_what_it_has_masked_stays_masked(text):
    begin()
    once = redacted(text)
    assert len(once) <= 3 * len(text) + 8
    assert "hunter2hunter2" not in redacted(f"{text} password=hunter2hunter2")


@pytest.mark.parametrize("variable", ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_BSP_MAX_QUEUE_SIZE"])
def test_nonsense_in_opentelemetrys_own_variables_ends_nothing(variable, monkeypatch):
    monkeypatch.setitem(os.environ, variable, "x=%zz,,=,a")
    setup_telemetry(FastAPI())
