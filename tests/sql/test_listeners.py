"""Telemetry starts and ends while the application executes statements, with as many engines as it likes."""

import gc

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from tests.sql.internals import Pools
from wxiai_otel import setup_telemetry

# Where a listener of the application's runs among ours.
EVENTS = (
    (Engine, "engine_connect"),
    (Engine, "before_cursor_execute"),
    (Engine, "after_cursor_execute"),
    (Engine, "handle_error"),
    (Pool, "checkout"),
    (Pool, "checkin"),
)


@pytest.mark.parametrize(("target", "name"), EVENTS, ids=[name for _, name in EVENTS])
def test_telemetry_ends_and_starts_within_a_statement(target: type, name: str) -> None:
    app = FastAPI()
    telemetry = setup_telemetry(app)
    engine = create_engine("sqlite://")
    turns: list[object] = []

    def listener(*_: object) -> None:
        if not turns:
            turns.append(name)
            telemetry.shutdown()
            setup_telemetry(app).shutdown()

    event.listen(target, name, listener)
    try:
        with engine.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
        with engine.connect() as connection, pytest.raises(Exception, match="no such table"):
            connection.execute(text("select * from missing"))
    finally:
        event.remove(target, name, listener)
    assert turns == [name]


@pytest.mark.long
def test_labels_of_engines_that_are_gone_are_forgotten() -> None:
    pools = Pools({}, max_pools=10)
    for number in range(60):
        assert pools.label(create_engine(f"sqlite:///file{number}")) is not None
        if number % 5 == 0:
            gc.collect()
    assert len(pools._taken) <= 30
