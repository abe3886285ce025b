"""Asking a database for one value over a connection of our own, from any thread, whatever the engine."""

import asyncio
from typing import Any

from sqlalchemy import Executable, literal, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, StaticPool

from .._questions import awaited


def ping(engine: Engine, timeout: float) -> None:
    """Ask the least that a database can be asked.

    Parameters:
        engine: The engine.
        timeout: Seconds after which an asynchronous question is given up.
    """
    ask(engine, select(literal(1)), timeout)


def ask(engine: Engine, statement: str | Executable, timeout: float) -> Any:
    """The first value of a statement's first row.

    The connection is made as the engine's pool makes them, and takes none from it: an exhausted pool is seen on its own
    gauges. Only a database that is a single connection is asked over that.

    Parameters:
        engine: The engine; that beneath an AsyncEngine is asked in an event loop of its own, where it is a single
            connection in the application's.
        statement: SQL, or a construct of SQLAlchemy.
        timeout: Seconds after which an asynchronous question is given up.
    """
    question = text(statement) if isinstance(statement, str) else statement
    single = isinstance(engine.pool, StaticPool)
    asked = engine if single else _alone(engine)
    if engine.dialect.is_async:
        answer = _ask_async(asked, question)
        return awaited(answer, timeout) if single else asyncio.run(asyncio.wait_for(answer, timeout))
    with asked.connect() as connection:
        return connection.execute(question).scalar()


async def _ask_async(engine: Engine, question: Executable) -> Any:
    # Here, since it needs greenlet, which an application without asynchronous engines need not have.
    from sqlalchemy.ext.asyncio import AsyncEngine

    async with AsyncEngine(engine).connect() as connection:
        return (await connection.execute(question)).scalar()


def _alone(engine: Engine) -> Engine:
    # A further engine by create_engine() would lose the creator, arguments and events of this one's connections.
    creator = engine.pool._creator  # noqa: SLF001 - there is no public way to make a connection as the pool does
    return Engine(NullPool(creator, dialect=engine.dialect), engine.dialect, engine.url)
