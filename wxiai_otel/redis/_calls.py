"""Counting and timing the calls of clients: one call is one command or one pipeline."""

import contextlib
from collections.abc import Sequence
from contextvars import ContextVar, Token
from time import perf_counter
from typing import Any

from .._guard import fault
from .._own import is_own_traffic
from ..instruments import Instruments
from ._commands import OTHER, Command

# What a client sends by itself within a call is not the application's: the slots of a cluster, the master's address,
# a script that a pipeline needs, the commands that are sent again after a redirection.
_current: ContextVar["Call | None"] = ContextVar("wxiai_otel_redis_call", default=None)

_RESULTS = (
    *(("get", result) for result in ("hit", "miss", "error")),
    *((operation, result) for operation in ("set", "delete", "other") for result in ("success", "error")),
)


def note_responses(responses: Sequence[Any]) -> None:
    """Keep what the commands of the current pipeline were answered, before the client raises the first error."""
    call = _current.get()
    if call is not None:
        call.noted = list(responses)


class Call:
    """A command or a pipeline under way.

    Parameters:
        calls: Where it is recorded.
        commands: The commands that are sent.
        queue: A pipeline's own entries of them; a cluster's hold the results themselves.
        operation: What the round trip is observed as; ``None`` where it is no latency.
    """

    __slots__ = ("_calls", "_commands", "_is_pipeline", "_operation", "_queue", "_started", "_token", "noted")

    def __init__(
        self, calls: "Calls", commands: Sequence[Command], queue: Sequence[Any] | None, operation: str | None
    ) -> None:
        self._calls = calls
        self._commands = commands
        self._is_pipeline = queue is not None
        self._queue = queue or ()
        self._operation = operation
        self.noted: list[Any] | None = None
        self._token: Token[Call | None] = _current.set(self)
        self._started = perf_counter()

    def end(self, response: Any) -> None:
        """Record the call, with the response: to its command, or to each command of its pipeline."""
        self._end(response if self._is_pipeline else (response,))

    def _end(self, responses: Sequence[Any]) -> None:
        seconds = perf_counter() - self._started
        try:
            self._leave()
            self._calls.count(self._commands, responses)
            if self._operation is not None:
                self._calls.observe(seconds, self._operation)
        except Exception:  # noqa: BLE001 - the application gets its response
            fault("redis.end")

    def fail(self, error: BaseException) -> None:
        """Record the call, which raised."""
        try:
            responses = self._answered(error)
        except Exception:  # noqa: BLE001 - the exception goes its way
            fault("redis.fail")
            responses = [error] * len(self._commands)
        self._end(responses)

    def _answered(self, error: BaseException) -> list[Any]:
        """What each command was answered, where the exception is only the first error among the answers."""
        if self.noted is not None:
            return self.noted
        results = [getattr(entry, "result", None) for entry in self._queue]
        if any(result is error for result in results):
            return results
        return [error] * len(self._commands)

    def _leave(self) -> None:
        # A coroutine may be closed from another context; its own is gone then.
        with contextlib.suppress(ValueError):
            _current.reset(self._token)


class Calls:
    """The calls of all clients, as the contract counts them."""

    def __init__(self, instruments: Instruments) -> None:
        self._operations = instruments["cache.operations"]
        self._duration = instruments["cache.operation.duration"]

    def begin_at_zero(self) -> None:
        """Make the series that the first operations would otherwise create, so that their increase is seen."""
        for values in _RESULTS:
            self._operations.record(0, values)

    def command(self, command: Command) -> Call | None:
        """A command begins, whose answer is waited for; ``None`` where it is not to be counted."""
        return self._start((command,), None, None if command.is_blocking else command.operation)

    def message(self, command: Command) -> Call | None:
        """A command begins whose answer comes later, if at all, as those of a subscription do."""
        return self._start((command,), None, None)

    def pipeline(self, commands: Sequence[Command], queue: Sequence[Any]) -> Call | None:
        """A pipeline begins: one round trip, whatever it holds."""
        if not commands:
            return None
        return self._start(commands, queue, None if any(command.is_blocking for command in commands) else OTHER)

    def _start(self, commands: Sequence[Command], queue: Sequence[Any] | None, operation: str | None) -> Call | None:
        if _current.get() is not None or is_own_traffic():
            return None
        return Call(self, commands, queue, operation)

    def count(self, commands: Sequence[Command], responses: Sequence[Any]) -> None:
        """Count each command by its response."""
        for command, response in zip(commands, responses, strict=True):
            operation = command.operation
            for result, count in command.results(response):
                self._operations.record(count, (operation, result))

    def observe(self, seconds: float, operation: str) -> None:
        """Observe one round trip."""
        self._duration.record(seconds, (operation,))
