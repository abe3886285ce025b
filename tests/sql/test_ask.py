"""Queries use a connection of our own and take none from the application's pool."""

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, literal, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.scrape import scrape
from tests.sql.internals import _ask, own_traffic
from wxiai_otel import setup_telemetry
from wxiai_otel.sql import ask, ping


@pytest.fixture
def shop(tmp_path) -> str:
    with create_engine(f"sqlite:///{tmp_path}/shop.db").begin() as connection:
        connection.execute(text("CREATE TABLE item (price INTEGER)"))
        connection.execute(text("INSERT INTO item VALUES (5), (6)"))
    return f"{tmp_path}/shop.db"


@pytest.mark.parametrize("question", ["SELECT sum(price) FROM item", select(literal(11)), text("SELECT 11")])
def test_the_first_value_is_the_answer(shop, question):
    assert ask(create_engine(f"sqlite:///{shop}"), question, 1) == 11
    assert ask(create_async_engine(f"sqlite+aiosqlite:///{shop}").sync_engine, question, 1) == 11


def test_no_row_is_no_answer(shop):
    assert ask(create_engine(f"sqlite:///{shop}"), "SELECT price FROM item WHERE price > 7", 1) is None


def test_an_exhausted_pool_is_no_obstacle_and_keeps_its_connections(shop):
    engine = create_engine(f"sqlite:///{shop}", pool_size=1, max_overflow=0, pool_timeout=0.1)
    with engine.connect():
        assert ask(engine, "SELECT sum(price) FROM item", 1) == 11
        assert engine.pool.checkedout() == 1
    ping(engine, 1)
    assert engine.pool.checkedout() == 0


def test_a_database_that_is_not_there_is_an_error(tmp_path):
    for engine in (
        create_engine(f"sqlite:///{tmp_path}/none/x.db"),
        create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/none/x.db").sync_engine,
    ):
        with pytest.raises(Exception, match="unable to open"):
            ping(engine, 1)


def test_the_engine_of_our_connection_is_no_pool_of_the_application(shop, spans):
    telemetry = setup_telemetry(FastAPI())
    engine = create_engine(f"sqlite:///{shop}")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    for _ in range(20):
        with own_traffic():
            ping(engine, 1)
    seen = scrape(telemetry)
    assert seen.series("db_deadlocks_total", "pool") == {("sqlite/shop.db",): 0}
    assert seen.series("db_connection_pool_size", "pool") == {("sqlite/shop.db",): 15}
    assert seen.value("db_query_duration_seconds_count") == 1
    assert len(spans.get_finished_spans()) == 1


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_postgresql_is_asked_by_its_drivers(postgresql_server, driver):
    url = postgresql_server.url(driver)
    engine = create_async_engine(url).sync_engine if driver == "asyncpg" else create_engine(url)
    assert ask(engine, "SELECT 3 + 4", 2) == 7
    ping(engine, 2)


def test_an_asynchronous_question_is_given_up_after_the_timeout(postgresql_server):
    with pytest.raises(TimeoutError):
        ask(create_async_engine(postgresql_server.url("asyncpg")).sync_engine, "SELECT pg_sleep(9)", 0.3)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_percent_signs_and_casts_reach_the_server_unchanged(postgresql_server, driver):
    url = postgresql_server.url(driver)
    engine = create_async_engine(url).sync_engine if driver == "asyncpg" else create_engine(url)
    assert ask(engine, "SELECT '9'::int WHERE '100%' LIKE '%0%'", 2) == 9


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async", "asyncpg"])
def test_a_server_that_refuses_our_user_is_not_queried_for_a_while(postgresql_server, driver, monkeypatch):
    url = postgresql_server.url(driver).replace("postgres@", "stranger@")
    engine = create_engine(url) if driver == "psycopg" else create_async_engine(url).sync_engine
    for _ in range(20):
        with pytest.raises(Exception, match="stranger"):
            ping(engine, 2)
    (backoff,) = _ask._backoffs[engine].values()
    assert backoff._seconds == 1.0, "only the first of them connected"
    monkeypatch.setattr(backoff, "_until", 0.0)
    with pytest.raises(Exception, match="stranger"):
        ping(engine, 2)
    assert backoff._seconds == 2.0
