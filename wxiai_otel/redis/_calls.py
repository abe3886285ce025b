"""Counting, timing and tracing the calls of clients: one call is one command or one pipeline."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from time import perf_counter, time_ns
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context
from redis.exceptions import NoScriptError, WatchError

from .._client_spans import ClientSpan, failure_of
from .._guard import fault
from .._own import is_own_traffic
from ..instruments import Instruments
from ._attempts import current_attempts
from ._commands import OTHER, Command, queued, read
from ._spans import RedisSpans

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
    if call is not None and call.is_open:
        call.noted = list(responses)


class Call:
    """A command or a pipeline under way.

    Parameters:
        calls: Where it is recorded.
        commands: The commands that are sent.
        queue: A pipeline's own entries of them; a cluster's hold the results themselves.
        operation: What the round trip is observed as; ``None`` where it is no latency.
        span: The span of the round trip.
    """

    __slots__ = (
        "_attached",
        "_attempts",
        "_calls",
        "_commands",
        "_is_open",
        "_operation",
        "_queue",
        "_span",
        "_started",
        "_token",
        "noted",
    )

    def __init__(
        self,
        calls: "Calls",
        commands: Sequence[Command],
        queue: Sequence[Any] | None,
        operation: str | None,
        span: ClientSpan | None,
    ) -> None:
        self._calls = calls
        self._commands = commands
        self._queue = queue
        self._operation = operation
        self._span = span
        self.noted: list[Any] | None = None
        self._attempts = current_attempts()
        if self._attempts is not None:
            self._attempts.begin()
        self._attached = None if span is None else attach(set_span_in_context(span.current))
        self._is_open = True
        self._token: Token[Call | None] = _current.set(self)
        self._started = perf_counter()

    @property
    def is_open(self) -> bool:
        """Whether the call is under way. A task that the application starts within it may outlive it."""
        return self._is_open

    def end(self, response: Any) -> None:
        """Record the call, with the response: to its command, or to each command of its pipeline."""
        self._finish((response,) if self._queue is None else response, None)

    def fail(self, error: BaseException) -> None:
        """Record the call, which raised."""
        try:
            responses = self._answered(error)
        except Exception:  # noqa: BLE001 - the exception goes its way
            fault("redis.fail")
            responses = [error] * len(self._commands)
        self._finish(responses, error)

    def _finish(self, responses: Sequence[Any], error: BaseException | None) -> None:
        seconds = perf_counter() - self._started
        self._leave()
        if self._attempts is None:
            self._record(seconds, responses)
            self._end_span(error)
            return
        end_time = time_ns()

        def record() -> None:
            self._record(seconds, responses)
            self._end_span(error, end_time)

        self._attempts.record(record)

    def _record(self, seconds: float, responses: Sequence[Any]) -> None:
        try:
            self._calls.count(self._commands, responses)
            if self._operation is not None:
                self._calls.observe(seconds, self._operation)
        except Exception:  # noqa: BLE001 - the application gets its response
            fault("redis.end")

    def _answered(self, error: BaseException) -> list[Any]:
        """What each command was answered, where the exception is only the first error among the answers."""
        # Answers of an earlier attempt do not contain the error of the last one.
        if self.noted is not None and any(response is error for response in self.noted):
            return self.noted
        results = [getattr(entry, "result", None) for entry in self._queue or ()]
        if any(result is error for result in results):
            return results
        return [error] * len(self._commands)

    def _leave(self) -> None:
        self._is_open = False
        with suppress(ValueError):  # a coroutine was closed from another context; its own is gone
            _current.reset(self._token)
            if self._attached is not None:
                detach(self._attached)

    def _end_span(self, error: BaseException | None, end_time: int | None = None) -> None:
        if self._span is None:
            return
        try:
            if error is None or _is_answer(error, is_pipeline=self._queue is not None):
                self._span.end(end_time=end_time)
            else:
                self._span.end(*failure_of(type(error).__name__), end_time=end_time)
        except Exception:  # noqa: BLE001 - the application gets its response
            fault("redis.span")


def _is_answer(error: BaseException, *, is_pipeline: bool) -> bool:
    """Return whether callers expect an exception: a watched key changed, or a script is not cached."""
    return isinstance(error, NoScriptError) or (is_pipeline and isinstance(error, WatchError))


def _is_within_another() -> bool:
    call = _current.get()
    return (call is not None and call.is_open) or is_own_traffic()


def _latency(command: Command) -> str | None:
    return None if command.is_blocking else command.operation


class Calls:
    """The calls of all clients, as the contract counts them, and their spans.

    Parameters:
        instruments: Record the metrics.
        spans: Starts the spans.
    """

    def __init__(self, instruments: Instruments, spans: RedisSpans) -> None:
        self._operations = instruments["cache.operations"]
        self._duration = instruments["cache.operation.duration"]
        self._spans = spans

    def begin_at_zero(self) -> None:
        """Make the series that the first operations would otherwise create, so that their increase is seen."""
        for values in _RESULTS:
            self._operations.record(0, values)

    def command(self, client: Any, args: tuple[Any, ...]) -> Call | None:
        """A command begins, whose answer is waited for; ``None`` where it is not to be counted."""
        if _is_within_another():
            return None
        command = read(args)
        return Call(self, (command,), None, _latency(command), self._start(self._spans.command, client, command))

    def immediate_command(self, _client: Any, args: tuple[Any, ...]) -> Call | None:
        """A command begins that a cluster's transaction sends ahead of the others. Upstream makes no span of it."""
        if _is_within_another():
            return None
        command = read(args)
        return Call(self, (command,), None, _latency(command), None)

    def message(self, _client: Any, args: tuple[Any, ...]) -> Call | None:
        """A command begins whose answer comes later, if at all, as those of a subscription do."""
        if _is_within_another():
            return None
        return Call(self, (read(args),), None, None, None)

    def pipeline(self, client: Any, _args: tuple[Any, ...]) -> Call | None:
        """A pipeline begins: one round trip, whatever it holds."""
        if _is_within_another():
            return None
        commands, queue = queued(client)
        if not commands:
            return None
        operation = None if any(command.is_blocking for command in commands) else OTHER
        return Call(self, commands, queue, operation, self._start(self._spans.pipeline, client, commands))

    @staticmethod
    def _start(start: Callable[[Any, Any], ClientSpan | None], client: Any, sent: Any) -> ClientSpan | None:
        try:
            return start(client, sent)
        except Exception:  # noqa: BLE001 - it is still to be sent, and counted
            fault("redis.span")
            return None

    def count(self, commands: Sequence[Command], responses: Sequence[Any]) -> None:
        """Count each command by its response."""
        for command, response in zip(commands, responses, strict=True):
            operation = command.operation
            for result, count in command.results(response):
                self._operations.record(count, (operation, result))

    def observe(self, seconds: float, operation: str) -> None:
        """Observe one round trip."""
        self._duration.record(seconds, (operation,))
