"""The listeners on SQLAlchemy's classes, registered once in a process.

SQLAlchemy iterates over the listeners of a class without a lock. To remove one raises "deque mutated during iteration"
in each thread that is just then executing a statement. So they stay, and call what listens at the moment.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool


class Listener(NamedTuple):
    """What to call, by the event's name. None of it raises."""

    engine_connect: Callable[[Connection], None]
    before_cursor_execute: Callable[[Connection, Any, str, Any], None]
    after_cursor_execute: Callable[[Connection, Any], None]
    handle_error: Callable[[ExceptionContext], None]
    checkout: Callable[[Any, Any], None]
    checkin: Callable[[Any], None]


# Replaced in one step: other threads may iterate over it.
_listening: tuple[Listener, ...] = ()


def listen(listener: Listener) -> None:
    """Have a listener called from now on."""
    global _listening  # noqa: PLW0603
    _listening = (*_listening, listener)
    _register()


def stop_listening(listener: Listener) -> None:
    """Call a listener no more."""
    global _listening  # noqa: PLW0603
    _listening = tuple(one for one in _listening if one is not listener)


@cache
def _register() -> None:
    event.listen(Engine, "engine_connect", _engine_connect)
    # SQLAlchemy would put a function of its own around one that does not return the statement.
    event.listen(Engine, "before_cursor_execute", _before_cursor_execute, retval=True)
    event.listen(Engine, "after_cursor_execute", _after_cursor_execute)
    event.listen(Engine, "handle_error", _handle_error)
    event.listen(Pool, "checkout", _checkout)
    event.listen(Pool, "checkin", _checkin)
    event.listen(Pool, "detach", _checkin)


def _engine_connect(connection: Connection) -> None:
    for one in _listening:
        one.engine_connect(connection)


def _before_cursor_execute(
    connection: Connection, cursor: Any, text: str, parameters: Any, context: Any, _: Any
) -> tuple[str, Any]:
    for one in _listening:
        one.before_cursor_execute(connection, cursor, text, context)
    return text, parameters


def _after_cursor_execute(
    connection: Connection, _cursor: Any, _text: str, _parameters: Any, context: Any, _: Any
) -> None:
    for one in _listening:
        one.after_cursor_execute(connection, context)


def _handle_error(failure: ExceptionContext) -> None:
    for one in _listening:
        one.handle_error(failure)


def _checkout(_connection: Any, record: Any, proxy: Any) -> None:
    for one in _listening:
        one.checkout(record, proxy)


def _checkin(_connection: Any, record: Any) -> None:
    for one in _listening:
        one.checkin(record)
