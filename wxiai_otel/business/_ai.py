"""AI tasks: watched while they run here, or begun here and ended elsewhere."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, TypeVar

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, set_span_in_context

from .._guard import guarded
from ..instruments import Instruments
from ..tracing import keep, record_exception
from ._calls import is_function, observed
from ._inputs import checked, refuse, resolved
from ._process import Business, current
from ._tasks import EndedTask
from ._token import TaskState, decode, encode, new_state
from ._words import InvalidInput, class_name, is_cancellation, number_of, shown, word

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("wxiai_otel")

OUTCOMES = SUCCESS, FAILED, CANCELLED = ("success", "failed", "cancelled")
_OUTPUT_TYPES = ("image", "video", "speech", "text", "json")


def monitor_ai_task(
    service: str | Callable[..., object],
    *,
    mode: str | Callable[..., object] | None = None,
    user_role: str | Callable[..., object] | None = None,
    model: str | Callable[..., object] | None = None,
) -> Callable[[F], F]:
    """Decorate a function, coroutine function or generator so that each call is recorded as an AI task.

    The task is counted as submitted and pending when the call starts, and as success, failed or cancelled when it
    completes, with its duration in seconds. An exception counts in ``application_errors_total`` with the component
    ``ai_service_<service>`` and is raised unchanged.

    A task is cancelled, and not failed, if its caller gives up: its asyncio task is cancelled, its stream is closed,
    the client leaves, or the process is interrupted. A timeout within the function is a failure; a timeout around the
    call cancels it.

    Each parameter is a value, or a callable that takes the arguments of the call.

    Parameters:
        service: One of the setting ai_services; anything else is ``other``.
        mode: For example fast or relax; by default ``default``.
        user_role: By default that of the current request's user.
        model: The provider's name of the model, for the span (``gen_ai.request.model``).
    """

    def decorate(*called: Any, **options: Any) -> Any:
        if len(called) != 1 or options or not is_function(called[0]):
            message = "the decorated object must be a function, and the first argument a service"
            refuse("monitor_ai_task", InvalidInput(message, "function"))
            # Without parentheses, `service` is the decorated function, and this is a call of it.
            if callable(service) and not (len(called) == 1 and hasattr(type(called[0]), "__get__")):
                return service(*called, **options)
            return called[0]
        (function,) = called

        @checked("monitor_ai_task", "ai.begin")
        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _RunningTask | None:
            business = current()
            if business is None:
                return None
            options = {"service": service, "mode": mode, "user_role": user_role, "model": model}
            given = [resolved(name, option, args, kwargs) for name, option in options.items()]
            return _RunningTask(business, *given)

        return observed(function, begin)

    return decorate


class _RunningTask:
    """A task that ends where it began: a `Call`."""

    def __init__(self, business: Business, service: object, mode: object, user_role: object, model: object) -> None:
        self._business = business
        self._service = business.service(service)
        self._mode = word(mode, "mode")
        self._role = business.role(user_role)
        self._span = business.tracer.start_span(
            f"ai_task {self._service}", kind=SpanKind.INTERNAL, attributes=_attributes(self._service, self._mode, model)
        )
        self.context: Context | None = set_span_in_context(self._span)
        self._started = perf_counter()
        _count_submitted(business.instruments, self._service, self._role)

    @guarded("ai.succeed")
    def succeed(self, _result: Any) -> None:
        """See `Call.succeed`."""
        self._end(SUCCESS, None)
        self._span.end()

    @guarded("ai.fail")
    def fail(self, error: BaseException) -> None:
        """See `Call.fail`."""
        if is_cancellation(error):
            self._end(CANCELLED, None)
            self._span.end()
            return
        self._end(FAILED, class_name(error))
        try:
            record_exception(self._span, error)
        finally:
            self._span.end()

    def _end(self, outcome: str, error_type: str | None) -> None:
        seconds = perf_counter() - self._started
        # The span is the last: what it calls, an exception's text or a processor, is the application's.
        count_ended(
            self._business.instruments,
            self._service,
            self._mode,
            self._role,
            seconds,
            outcome,
            error_type,
            self.context,
        )
        _say_outcome(self._span, outcome, error_type)


@dataclass(frozen=True, slots=True)
class AITask:
    """An AI task that was submitted.

    Attributes:
        token: A printable word of at most 1,200 characters, usually about 120, to store with the task. Whoever ends the
            task gives it to `complete_ai_task`.
    """

    token: str


def start_ai_task(
    service: str, mode: str | None = None, *, user_role: str | None = None, model: str | None = None
) -> AITask:
    """Count an AI task as submitted and pending; it ends in any process by `complete_ai_task`.

    Where nobody ends it within the setting task_timeout it is counted as failed, with the error type ``timeout``.

    Parameters:
        service: One of the setting ai_services; anything else is ``other``.
        mode: For example fast or video; ``default`` where there is none.
        user_role: By default that of the current request's user.
        model: The provider's name of the model, for the span (``gen_ai.request.model``).

    Returns:
        The task, whose token is to be stored.
    """
    return _start(service, mode, user_role, model) or AITask(encode(None, ""))


@checked("start_ai_task", "ai.start")
def _start(service: object, mode: object, user_role: object, model: object) -> AITask | None:
    business = current()
    if business is None:
        return None
    secret = business.settings.task_secret
    if not secret:
        _warn_of_missing_secret()
    label, mode_label, role = business.service(service), word(mode, "mode"), business.role(user_role)
    span = business.tracer.start_span(
        f"start_ai_task {label}", kind=SpanKind.PRODUCER, attributes=_attributes(label, mode_label, model)
    )
    state = new_state(label, mode_label or "", role or "", span.get_span_context())
    # The span that ends the task, in another trace, is linked to this one.
    keep(span)
    span.end()
    task = AITask(encode(state, secret))
    _count_submitted(business.instruments, label, role)
    business.tasks.opened(state, task.token)
    return task


@cache
def _warn_of_missing_secret() -> None:
    """Once in a process: tasks are begun in many."""
    logger.warning(
        "the setting task_secret is not set: the tokens of AI tasks carry a checksum only, and anyone can make one"
    )


@checked("complete_ai_task", "ai.complete")
def complete_ai_task(
    token: str,
    status: str,
    *,
    error_type: str | BaseException | None = None,
    queue_seconds: float | None = None,
    run_seconds: float | None = None,
) -> None:
    """Complete a task that `start_ai_task` started, from any process. Returns at once and counts in the background.

    Each task is counted once, however often it is completed: across all workers with Redis (the setting state_redis),
    otherwise once in each process. Its duration starts at its submission.

    Parameters:
        token: The token of the task.
        status: ``success``, ``failed`` or ``cancelled``. A cancelled task is no failure of the service.
        error_type: The exception of a failed task, or a word for what went wrong.
        queue_seconds: Seconds that the task waited at the provider, if known; for the span.
        run_seconds: Seconds that it then ran, if known; for the span.

    Raises:
        TaskTokenError: Under pytest or with the setting strict: the token was changed, is truncated, or was signed with
            another secret. Otherwise a warning is logged, and nothing is counted.
        ValueError: Under pytest or with the setting strict: the status is another word. Otherwise as above.
    """
    outcome = word(status, "status")
    if outcome not in OUTCOMES:
        raise InvalidInput(f"`status` must be success, failed or cancelled, got {shown(status)}", "status")
    business = current()
    state = decode(token, business.settings.task_secret if business is not None else None)
    if business is None or state is None:
        return
    error = class_name(error_type, "error_type") if outcome == FAILED else None
    context = _told(business, state, outcome, error, {"queue": queue_seconds, "run": run_seconds})
    business.tasks.ended(EndedTask(state, token, outcome, error, _age(state.started), context))


@guarded("ai.span")
def _told(
    business: Business, state: TaskState, outcome: str, error_type: str | None, parts: dict[str, float | None]
) -> Context:
    """The context of the span in which it is said that a task has ended."""
    service = business.service(state.service)
    span = business.tracer.start_span(
        f"complete_ai_task {service}",
        kind=SpanKind.CONSUMER,
        links=[Link(state.submitted_in)] if state.submitted_in.is_valid else None,
        attributes=_attributes(service, state.mode or None, None),
    )
    for name, given in parts.items():
        if (seconds := number_of(given)) is not None:
            span.set_attribute(f"ai.task.{name}_duration", seconds)
    _say_outcome(span, outcome, error_type)
    span.end()
    return set_span_in_context(span, get_current())


def count_ended(
    instruments: Instruments,
    service: str,
    mode: str | None,
    role: str | None,
    seconds: float,
    outcome: str,
    error_type: str | None,
    context: Context | None,
) -> None:
    """Count a completed task.

    Parameters:
        instruments: The instruments to record with.
        service: The label of its service.
        mode: Its mode, if any.
        role: The label of its user's role, if any.
        seconds: Seconds from submission to completion.
        outcome: ``success``, ``failed`` or ``cancelled``.
        error_type: Why the task failed; ``None`` if it did not.
        context: The context of its completion, for exemplars.
    """
    instruments["ai.tasks"].record(1, (service, outcome, role), context)
    instruments["ai.task.duration"].record(seconds, (service, mode), context)
    if error_type is not None:
        instruments["ai.service.failures"].record(1, (service, error_type), context)
        instruments["application.errors"].record(1, (error_type, f"ai_service_{service}"), context)


def count_ended_elsewhere(business: Business, task: EndedTask) -> None:
    """Count a task that has ended by its token: whoever made it may know other services and roles."""
    state = task.state
    service, role = business.service(state.service), business.role(state.role) if state.role else None
    count_ended(
        business.instruments,
        service,
        state.mode or None,
        role,
        task.seconds,
        task.outcome,
        task.error_type,
        task.context,
    )


def _count_submitted(instruments: Instruments, service: str, role: str | None) -> None:
    instruments["ai.tasks"].record(1, (service, "pending", role))
    instruments["ai.tasks.submitted"].record(1, (service, role))


def _age(started: float) -> float:
    return max(0.0, time.time() - started)


def _attributes(service: str, mode: str | None, model: object) -> dict[str, str]:
    # https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    attributes = {"gen_ai.operation.name": "generate_content", "gen_ai.provider.name": service}
    if (name := word(model, "model")) is not None:
        attributes["gen_ai.request.model"] = name
    if mode is not None:
        attributes["ai.task.mode"] = mode
        if mode in _OUTPUT_TYPES:
            attributes["gen_ai.output.type"] = mode
    return attributes


def _say_outcome(span: Span, outcome: str, error_type: str | None) -> None:
    span.set_attribute("ai.task.outcome", outcome)
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR, error_type))
