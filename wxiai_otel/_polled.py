"""Gauges that the application's own database, or a callable, knows better: asked in the background."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

from ._background import Periodic
from ._questions import NotChecked, NothingToAsk, Question
from .instruments import Values

logger = logging.getLogger("wxiai_otel")

_LOOK_SECONDS = 1.0


class PolledGauges:
    """Values that are asked for in turn. The last good one is shown for a while, and then none.

    Parameters:
        questions: By the instrument's name: a callable, or SQL for one number.
        ask_sql: Asks the database: (statement, timeout).
        interval: Seconds between two polls.
        timeout: Seconds that an answer may take.
        keep: Seconds that the last good answer is shown.
    """

    def __init__(
        self,
        questions: Mapping[str, Any],
        ask_sql: Callable[[str, float], Any],
        interval: float,
        timeout: float,
        keep: float,
    ) -> None:
        self._ask_sql = ask_sql
        self._timeout = timeout
        self._keep = keep
        self._questions = {name: Question(self._asking(question)) for name, question in questions.items()}
        self._answers: dict[str, tuple[float, float]] = {}
        self._failing: set[str] = set()
        self._asked_at: dict[str, float] = {}
        self._interval = interval
        self._work = Periodic("wxiai-otel-gauges", min(interval, _LOOK_SECONDS), self._poll)
        if questions:
            self._work.start()

    def stop(self) -> None:
        """Ask no more."""
        self._work.stop()

    def observe(self, name: str) -> Callable[[], Iterator[tuple[Values, float]]]:
        """What observes one of the gauges."""

        def observe() -> Iterator[tuple[Values, float]]:
            value, at = self._answers.get(name, (0.0, -math.inf))
            if time.monotonic() - at <= self._keep:
                yield (), value

        return observe

    def _asking(self, question: Any) -> Callable[[], Any]:
        if callable(question):
            return question  # type: ignore[no-any-return] # a callable is a callable
        return lambda: self._ask_sql(question, self._timeout)

    def _poll(self) -> None:
        # Side by side: one that does not answer delays no other.
        now = time.monotonic()
        due = [name for name in self._questions if now - self._asked_at.get(name, -math.inf) >= self._interval]
        asked = {name: self._questions[name].begin(self._timeout) for name in due}
        deadline = now + self._timeout
        for name, answer in asked.items():
            self._asked_at[name] = now
            try:
                self._answers[name] = _number(answer.result(max(0.0, deadline - time.monotonic()))), time.monotonic()
                self._failing.discard(name)
            except NothingToAsk:
                del self._asked_at[name]  # that may be different in a moment
            except NotChecked as reason:
                if name not in self._failing:
                    self._failing.add(name)
                    logger.warning(
                        "%s is not polled: %s; set gauge_engine to another engine, or %s to a callable",
                        name,
                        reason,
                        name,
                    )
            except Exception as error:  # noqa: BLE001 - an application's code fails in any way
                if name not in self._failing:
                    self._failing.add(name)
                    logger.warning("query for %s failed: %s", name, type(error).__name__)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise TypeError("no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number
