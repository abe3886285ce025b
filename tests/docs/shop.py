"""The application of docs/testing.md."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI, HTTPException
from sqlalchemy import StaticPool, create_engine, text

from wxiai_otel import monitor_ai_task, monitor_credits_operation, setup_telemetry

app = FastAPI()
setup_telemetry(app)
engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE users (id INTEGER, credit INTEGER)"))
    connection.execute(text("CREATE TABLE orders (user_id INTEGER)"))

_draw: list[Callable[[], object]] = []


@contextmanager
def provider_that_draws(draw: Callable[[], object]) -> Iterator[None]:
    """An AI service for as long as the block lasts."""
    _draw.append(draw)
    yield
    _draw.pop()


@app.get("/api/orders/{order_id}")
def order(order_id: int) -> None:
    raise HTTPException(404)


@app.post("/api/draw")
def draw() -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT credit FROM users"))
        drawn()
        connection.execute(text("INSERT INTO orders VALUES (7)"))
    paid(10)


@monitor_ai_task("flux")
def drawn() -> None:
    _draw[-1]()


@monitor_credits_operation("consume", service="flux")
def paid(amount: int) -> None:
    """Pay."""
