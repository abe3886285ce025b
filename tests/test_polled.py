"""Gauges that the application answers for: by a callable or by SQL, the last good answer for a while."""

import asyncio
import threading
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.testclient import TestClient

from tests.internals import PolledGauges
from tests.scrape import scrape
from tests.until import until
from wxiai_otel import record_user_activity, setup_telemetry


def polled(**settings):
    return setup_telemetry(FastAPI(), gauge_poll_interval=0.05, state_redis="memory", **settings)


def value(telemetry, name="avg_user_credits") -> float | None:
    seen = scrape(telemetry)
    return seen.value(name) if seen.has(name) else None


@pytest.fixture
def shop(tmp_path) -> str:
    path = tmp_path / "shop.db"
    with create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(text("CREATE TABLE account (credits INTEGER)"))
        connection.execute(text("INSERT INTO account VALUES (10), (20), (60)"))
    return str(path)


@pytest.mark.parametrize("number", [7, 7.0, Decimal(7), Fraction(7)])
def test_a_callable_gives_a_number(number):
    telemetry = polled(avg_user_credits=lambda: number)
    assert until(lambda: value(telemetry)) == 7


def test_a_coroutine_function_runs_in_the_event_loop_of_the_application():
    loops = []

    async def average():
        loops.append(asyncio.get_running_loop())
        return 7

    app = FastAPI()

    @app.get("/loop")
    async def loop():
        return id(asyncio.get_running_loop())

    telemetry = setup_telemetry(app, avg_user_credits=average, gauge_poll_interval=0.05)
    with TestClient(app) as client:
        current = client.get("/loop").json()
        assert until(lambda: current in [id(loop) for loop in loops])
        assert value(telemetry) == 7


@pytest.mark.parametrize("answer", [None, float("nan"), float("inf"), "7", True, [7], b"7", object()])
def test_what_is_no_number_is_no_answer(answer, caplog):
    calls = []
    telemetry = polled(avg_user_credits=lambda: calls.append(1) or answer)
    assert until(lambda: len(calls) > 2)
    assert value(telemetry) is None
    assert len([record for record in caplog.records if "avg_user_credits" in record.message]) == 1


def test_each_time_that_answers_begin_to_fail_is_said_once(caplog):
    answers = iter([None, None, 5, None, None])
    telemetry = polled(avg_user_credits=lambda: next(answers, 7))
    until(lambda: value(telemetry) == 7)
    assert len([record for record in caplog.records if "avg_user_credits" in record.message]) == 2


def test_an_answer_that_fails_leaves_the_last_good_one_for_a_while_and_then_none():
    answers, calls = iter([5, 6]), []
    telemetry = polled(avg_user_credits=lambda: calls.append(1) or next(answers), gauge_keep=2.0)
    assert until(lambda: value(telemetry) == 6)
    until(lambda: len(calls) > 4)
    assert value(telemetry) == 6
    assert until(lambda: value(telemetry) is None)


def test_one_that_hangs_delays_no_other_and_gathers_no_threads():
    gate, calls, polls = threading.Event(), [], []

    def hangs():
        calls.append(1)
        gate.wait()

    def daily():
        polls.append(1)
        return 3

    def asking():
        return [thread for thread in threading.enumerate() if "_ask" in thread.name]

    telemetry = polled(avg_user_credits=hangs, daily_active_users=daily, gauge_poll_timeout=0.05, gauge_keep=60.0)
    assert until(lambda: value(telemetry, "daily_active_users") == 3)
    until(lambda: len(polls) > 10)
    assert 1 <= len(asking()) <= 2
    assert len(calls) == 1
    assert value(telemetry) is None
    gate.set()


def test_daily_and_monthly_of_the_application_stand_for_ours():
    telemetry = polled(daily_active_users=lambda: 100, monthly_active_users=lambda: 2_000)
    record_user_activity(1)
    assert until(lambda: value(telemetry, "monthly_active_users") == 2_000)
    assert value(telemetry, "daily_active_users") == 100
    assert value(telemetry, "active_users_current") == 1


def test_sql_is_asked_of_the_engine_that_was_used_first(shop):
    telemetry = polled(avg_user_credits="SELECT avg(credits) FROM account")
    assert value(telemetry) is None
    engine = create_engine(f"sqlite:///{shop}")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert until(lambda: value(telemetry) == 30)


def test_sql_is_asked_of_the_engine_that_is_named(shop):
    other = create_engine("sqlite://")
    with other.connect() as connection:
        connection.execute(text("SELECT 1"))
    telemetry = polled(
        avg_user_credits="SELECT avg(credits) FROM account", gauge_engine=create_engine(f"sqlite:///{shop}")
    )
    assert until(lambda: value(telemetry) == 30)


def test_sql_is_polled_from_an_asynchronous_engine(shop):
    engine = create_async_engine(f"sqlite+aiosqlite:///{shop}")
    telemetry = polled(avg_user_credits="SELECT avg(credits) FROM account", gauge_engine=engine)
    assert until(lambda: value(telemetry) == 30)


def test_sql_is_not_polled_over_the_applications_connection(caplog):
    engine = create_async_engine("sqlite+aiosqlite://")
    telemetry = polled(avg_user_credits="SELECT 7", gauge_engine=engine)
    assert until(lambda: caplog.records)
    time.sleep(0.2)
    (record,) = [record for record in caplog.records if record.name == "wxiai_otel"]
    assert record.getMessage() == (
        "avg_user_credits is not polled: the database is in memory; set gauge_engine to another engine, "
        "or avg_user_credits to a callable"
    )
    assert value(telemetry) is None


def test_sql_of_ours_is_neither_counted_nor_traced(shop, spans):
    engine = create_engine(f"sqlite:///{shop}")
    telemetry = polled(avg_user_credits="SELECT avg(credits) FROM account", gauge_engine=engine)
    assert until(lambda: value(telemetry) == 30)
    seen = scrape(telemetry)
    assert seen.value("db_query_duration_seconds_count") == 0
    assert seen.series("db_connection_pool_size", "pool") == {}
    assert spans.get_finished_spans() == ()


def test_sql_of_a_callable_is_neither_counted_nor_traced(shop, spans):
    engine = create_engine(f"sqlite:///{shop}")

    def average():
        with engine.connect() as connection:
            return connection.execute(text("SELECT avg(credits) FROM account")).scalar()

    telemetry = polled(avg_user_credits=average)
    assert until(lambda: value(telemetry) == 30)
    assert scrape(telemetry).value("db_query_duration_seconds_count") == 0
    assert spans.get_finished_spans() == ()


def test_sql_that_fails_is_said_once_without_its_text(shop, caplog):
    telemetry = polled(avg_user_credits="SELECT secret FROM nowhere", gauge_engine=create_engine(f"sqlite:///{shop}"))
    until(lambda: caplog.records)
    time.sleep(0.3)
    (record,) = [record for record in caplog.records if record.name == "wxiai_otel"]
    assert record.getMessage() == "query for avg_user_credits failed: OperationalError"
    assert value(telemetry) is None


@pytest.mark.faulty
def test_a_fault_in_polling_harms_nothing(monkeypatch):
    def broken(*args):
        raise RuntimeError

    monkeypatch.setattr(PolledGauges, "_poll", broken)
    telemetry = polled(avg_user_credits=lambda: 7)
    time.sleep(0.1)
    assert value(telemetry) is None
