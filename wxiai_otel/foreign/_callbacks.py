"""Callbacks of the application that observe values at each collection.

A callback may block, never end, raise anything, scrape or create instruments. The SDK would wait for it with a lock
held. Here callbacks run before the SDK collects, on a thread of their own, and a collection waits for a bounded time.
"""

import math
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any

from opentelemetry.metrics import CallbackOptions, CallbackT, Observation

from .._background import side_by_side
from .._guard import fault
from .._reentry import Serial
from ._sets import MAX_SETS, AttributeSets
from ._values import amount_of

# How long a collection waits for all callbacks together.
WAIT_SECONDS = 1.5
# How long it waits for a callback that another collection has called.
_TURN_SECONDS = 0.1
# How long the observations of a callback that does not return are shown.
_KEEP_SECONDS = 300.0
MAX_OBSERVATIONS = 10 * MAX_SETS


class BoundedCallback:
    """A callback whose observations are bounded.

    Parameters:
        callback: A function, or a generator that receives the options, as in `opentelemetry.metrics`.
        sets: The attribute sets of the instrument.
        least: The least value that is allowed.
    """

    def __init__(self, callback: CallbackT, sets: AttributeSets, least: float) -> None:
        if isinstance(callback, Generator):
            next(callback)
            self._callback: Any = callback.send
        else:
            self._callback = callback
        self._sets = sets
        self._least = least
        self._turn = Serial()
        self._last: list[Observation] = []
        self._at = -math.inf

    def __call__(self, _options: CallbackOptions) -> list[Observation]:
        """Return the last observations to the SDK."""
        return self._last if monotonic() - self._at <= _KEEP_SECONDS else []

    def observe(self) -> None:
        """Call the callback, unless it is running."""
        with self._turn.held(_TURN_SECONDS) as held:
            if held:
                found: list[Observation] = []
                try:
                    self._observe(found)
                except StopIteration:  # the generator has ended
                    pass
                except BaseException:  # noqa: BLE001 - the other callbacks are still to be called
                    fault("foreign.callback")
                self._last, self._at = found, monotonic()

    def _observe(self, found: list[Observation]) -> None:
        observations: Iterable[Observation] = self._callback(CallbackOptions(timeout_millis=WAIT_SECONDS * 1000))
        for one in islice(observations, MAX_OBSERVATIONS):
            try:
                value = amount_of(one.value)
                if value < self._least:
                    raise ValueError(f"a callback must observe values of at least {self._least}, not {value}")  # noqa: TRY301
                found.append(Observation(value, self._sets.of(one.attributes), one.context))
            except Exception:  # noqa: BLE001 - the other observations are still to be collected
                fault("foreign.observe")


def observe_all(callbacks: Sequence[BoundedCallback]) -> None:
    """Call callbacks one after the other on another thread, and wait up to `WAIT_SECONDS`."""
    if callbacks:
        side_by_side(WAIT_SECONDS, [partial(_observe_each, callbacks)])


def _observe_each(callbacks: Sequence[BoundedCallback]) -> None:
    for callback in callbacks:
        callback.observe()
