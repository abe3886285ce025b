"""Reduction of exceptions: their classes decide, and no code of the application is called."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from traceback import TracebackException
from typing import Any
from uuid import UUID

from .._labels import exception_type, message_of
from ._classes import (
    arguments,
    attributes_of,
    cause_of,
    context_of,
    inline,
    is_exception,
    is_of_library,
    is_reduced,
    members_of,
    message,
    of_oracle,
)
from ._texts import Reduction

# As many exceptions of a chain are read.
_MAX_CHAIN = 64
# As many values in the arguments of an exception are read.
_MAX_VALUES = 1_000
_PLAIN = (str, bytes, int, float, bool, type(None), date, datetime, Decimal, UUID)
_CONTAINERS = (list, tuple, set, frozenset)


def reduced(text: str, *exceptions: BaseException) -> str:
    """Return a text without messages of databases.

    Parameters:
        text: Any text.
        exceptions: Exceptions that the text may repeat, besides the one being handled.
    """
    return reduction(*exceptions).reduce(text)


def reduction(*exceptions: BaseException) -> Reduction:
    """Return a reduction that knows the exceptions, their chains and the exception being handled."""
    known = Reduction()
    handled = sys.exception()
    for error in _chain(*exceptions, *([] if handled is None else [handled])):
        if is_reduced(type(error)):
            for said, is_whole in _said(error):
                known.learn(said, inline(error), is_whole=is_whole)
    return known


def holds_reports(exception: BaseException) -> bool:
    """Return whether an exception or one of its chain is a database error."""
    return any(is_reduced(type(one)) for one in _chain(exception))


def text_of(exception: BaseException) -> str:
    """Return the text of an exception, without messages of databases."""
    if is_reduced(type(exception)):
        return message(exception)
    text = message_of(exception)
    return reduced(text, exception) if holds_reports(exception) else text


def stacktrace_of(exception: BaseException) -> str:
    """Return the traceback of an exception and its chain, without messages of databases."""
    shown = TracebackException.from_exception(exception, compact=True)
    known = reduction(exception)
    waiting = [(shown, exception)]
    while waiting:
        one, error = waiting.pop()
        # There is no public way to change the text. If there is none of this name, the exporter reduces the text.
        one._str = _text(one, error, known)  # type: ignore[attr-defined] # noqa: SLF001
        notes = one.__notes__
        if isinstance(notes, list | tuple):
            one.__notes__ = [known.reduce(note) if isinstance(note, str) else note for note in notes]
        for inner, of in ((one.__cause__, cause_of(error)), (one.__context__, context_of(error))):
            if inner is not None and of is not None:
                waiting.append((inner, of))
        if one.exceptions is not None and _is_group(error):
            waiting.extend(zip(one.exceptions, members_of(error), strict=False))
    return "".join(shown.format())


def _text(shown: TracebackException, error: BaseException, known: Reduction) -> str:
    return message(error) if is_reduced(type(error)) else known.reduce(str(shown))


def event_of(exception: BaseException) -> dict[str, str]:
    """Return the attributes of the event of an exception, by the semantic conventions.

    There is no traceback if reading the exception fails, because its class redefines what Python reads.
    """
    event = {"exception.type": exception_type(exception), "exception.message": text_of(exception)}
    with suppress(Exception, SystemExit):
        event["exception.stacktrace"] = stacktrace_of(exception)
    return event


def _chain(*exceptions: BaseException) -> Iterator[BaseException]:
    """Yield exceptions, their causes, contexts, members and the errors that they wrap, each once."""
    waiting: list[object] = [*exceptions]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_CHAIN:
        one = waiting.pop()
        if not is_exception(one) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += (cause_of(one), context_of(one), attributes_of(one).get("orig"))
        waiting += members_of(one) if _is_group(one) else arguments(one)[:1]


def _is_group(error: BaseException) -> bool:
    return issubclass(type(error), BaseExceptionGroup)


def _said(error: BaseException) -> Iterator[tuple[str, bool]]:
    """Yield the texts that a library has put into an error, and whether each is a whole message."""
    args = arguments(error)
    are_plain = _are_plain(args)
    for one in (*args, of_oracle(error, "message"), attributes_of(error).get("detail")):
        if type(one) is str:
            yield one, len(args) == 1 or are_plain
        elif type(one) is dict and _are_plain([one]):
            yield str(one), True
    if len(args) > 1 and are_plain:
        yield str(args), True


def _are_plain(values: Iterable[object]) -> bool:
    """Return whether values are converted to text without code of the application."""
    waiting: list[Any] = [*values]
    for _ in range(_MAX_VALUES):
        if not waiting:
            return True
        value = waiting.pop()
        if type(value) is dict:
            waiting += [*value, *value.values()]
        elif type(value) in _CONTAINERS:
            waiting += value
        elif type(value) not in _PLAIN and not is_of_library(value):
            return False
    return False
