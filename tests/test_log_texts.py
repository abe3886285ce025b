"""What is exported of a log record whose arguments are objects of the application."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.internals import text_of_record


class Row:
    """An object whose text takes a query."""

    asked = 0

    def __str__(self) -> str:
        type(self).asked += 1
        return f"row {type(self).asked}"


class Exits:
    """An object that ends the process instead of describing itself."""

    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.fixture
def log() -> Iterator[Callable[..., logging.LogRecord]]:
    logger = logging.getLogger("texts")
    logger.propagate = False
    records: list[logging.LogRecord] = []
    formats = logging.StreamHandler(io.StringIO())
    keeps = logging.Handler()
    keeps.emit = records.append  # type: ignore[method-assign]

    def write(message: Any, *args: Any, formatted: bool = True) -> logging.LogRecord:
        logger.handlers = [formats, keeps] if formatted else [keeps]
        logger.warning(message, *args)
        return records[-1]

    yield write
    logger.handlers = []


@pytest.mark.parametrize("message", [("%s", Row()), ("%(row)s", {"row": Row()}), (Row(),)], ids=["args", "dict", "msg"])
def test_an_object_is_asked_for_its_text_once(log: Callable[..., logging.LogRecord], message: tuple[Any, ...]) -> None:
    Row.asked = 0
    assert text_of_record(log(*message)) == "row 1"
    assert Row.asked == 1


@pytest.mark.parametrize("message", [("a %s", Exits()), (Exits(),), ("a %d", "b")], ids=["args", "msg", "unfit"])
def test_what_has_no_text_raises_nothing(log: Callable[..., logging.LogRecord], message: tuple[Any, ...]) -> None:
    assert text_of_record(log(*message, formatted=False)) in ("a %s", "<Exits>", "a %d")


def test_a_filter_that_redacts_later_is_obeyed(log: Callable[..., logging.LogRecord]) -> None:
    record = log("password %s", "secret")
    record.args = ("***",)
    assert text_of_record(record) == "password ***"
