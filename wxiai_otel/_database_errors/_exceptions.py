"""Reduction of exceptions: their classes decide, and no code of the application is called."""

import sys
from collections.abc import Iterable, Iterator
from traceback import TracebackException

from .._labels import exception_type, message_of
from ._classes import arguments, inline, is_reduced, message
from ._texts import Reduction

# As many exceptions of a chain are read.
_MAX_CHAIN = 64
_PLAIN = (str, bytes, int, float, bool, type(None))


def reduced(text: str, *exceptions: BaseException) -> str:
    """Return a text without what databases reported in it.

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
            for said in _said(error):
                known.learn(said, inline(error))
    return known


def holds_reports(exception: BaseException) -> bool:
    """Return whether an exception or one of its chain is a database error."""
    return any(is_reduced(type(one)) for one in _chain(exception))


def text_of(exception: BaseException) -> str:
    """Return the text of an exception, without what databases reported."""
    if is_reduced(type(exception)):
        return message(exception)
    text = message_of(exception)
    return reduced(text, exception) if holds_reports(exception) else text


def stacktrace_of(exception: BaseException) -> str:
    """Return the traceback of an exception and its chain, without what databases reported."""
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
        for inner, of in ((one.__cause__, error.__cause__), (one.__context__, error.__context__)):
            if inner is not None and of is not None:
                waiting.append((inner, of))
        if one.exceptions is not None and isinstance(error, BaseExceptionGroup):
            waiting.extend(zip(one.exceptions, error.exceptions, strict=False))
    return "".join(shown.format())


def _text(shown: TracebackException, error: BaseException, known: Reduction) -> str:
    return message(error) if is_reduced(type(error)) else known.reduce(str(shown))


def event_of(exception: BaseException) -> dict[str, str]:
    """Return the attributes of the event of an exception, by the semantic conventions."""
    return {
        "exception.type": exception_type(exception),
        "exception.message": text_of(exception),
        "exception.stacktrace": stacktrace_of(exception),
    }


def _chain(*exceptions: BaseException) -> Iterator[BaseException]:
    """Yield exceptions, their causes, contexts, members and the errors that they wrap, each once."""
    waiting: list[object] = [*exceptions]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_CHAIN:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += (one.__cause__, one.__context__, vars(one).get("orig"))
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else arguments(one)[:1]


def _said(error: BaseException) -> Iterator[str]:
    """Yield the texts that a library has put into an error, and its text if that is one of its arguments."""
    args = arguments(error)
    first = next(iter(args), None)
    for one in (*args, vars(error).get("detail"), getattr(first, "message", None)):
        if isinstance(one, str):
            yield one
        elif type(one) is dict and _are_plain(one.values()):
            yield str(one)
    if len(args) > 1 and _are_plain(args):
        yield str(args)


def _are_plain(values: Iterable[object]) -> bool:
    """Return whether values are converted to text without code of the application."""
    return all(type(value) in _PLAIN for value in values)
