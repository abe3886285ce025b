"""The business telemetry of one process, put together: tasks, users, detection, and what the helpers record with."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import product
from typing import Any

from opentelemetry.trace import Tracer
from starlette.types import Scope

from ._background import side_by_side
from ._deadline import left
from ._guard import guarded
from ._polled import PolledGauges
from .business._ai import count_ended_elsewhere
from .business._events import EVENT_TYPES, count_login_failure, count_security_event
from .business._inputs import refusals
from .business._process import Business, begin, end
from .business._tasks import Tasks
from .detection import Clients, Detector
from .instruments import Instruments, Observe
from .settings import Settings
from .users import Activity

# Settings that are questions, by the name of the instrument that shows the answer.
_ASKED = ("avg_user_credits", "daily_active_users", "monthly_active_users")

_MAX_USER_ID = 128


class BusinessTelemetry:
    """Begins when it is made. It watches the requests of the process, as `http.Watch` wants it.

    Parameters:
        settings: Of the process.
        instruments: Record the metrics.
        tracer: Makes the spans.
        state: The Redis that all workers share; ``None``: none.
        ask_sql: Asks the application's database for one value: (statement, timeout).
    """

    def __init__(
        self,
        settings: Settings,
        instruments: Instruments,
        tracer: Tracer,
        state: Any,
        ask_sql: Callable[[str, float], Any],
    ) -> None:
        self._tasks = Tasks(
            lambda task: count_ended_elsewhere(self._business, task), state, settings.task_secret, settings.task_timeout
        )
        self._activity = Activity(settings.time_zone, state, settings.gauge_keep) if settings.users else None
        self._clients = Clients(settings.trusted_proxies)
        self._detector = Detector(settings, self._report) if settings.detection else None
        self._business = Business(settings, instruments, tracer, self._tasks, self._activity, self._detector)
        if self._detector is not None:
            instruments.observe("wxiai_otel.detection.clients", self._detector.observe_clients)
            instruments.observe("wxiai_otel.detection.forgotten", self._detector.observe_forgotten)
        _begin_at_zero(instruments, settings)
        instruments.observe("wxiai_otel.inputs.refused", refusals)
        instruments.observe("wxiai_otel.tasks.dropped", self._tasks.observe_dropped)
        asked = {name: question for name in _ASKED if (question := getattr(settings, name)) is not None}
        self._polled = PolledGauges(
            asked, ask_sql, settings.gauge_poll_interval, settings.gauge_poll_timeout, settings.gauge_keep
        )
        observed: dict[str, Observe] = {name: self._polled.observe(name) for name in asked}
        if self._activity is not None:
            observed = {**self._activity.observed(), **observed}
            self._activity.start()
        for name, observe in observed.items():
            instruments.observe(name, observe)
        self._tasks.start()
        begin(self._business)

    def address(self, scope: Scope) -> str | None:
        """See `http.Watch.address`."""
        return self._clients.address(scope)

    def user(self, user_id: object) -> None:
        """See `http.Watch.user`."""
        if self._activity is not None and user_id is not None:
            self._activity.saw(_name_of(user_id))

    def request(
        self,
        scope: Scope,
        method: str,
        route: str | None,
        status: int,
        user_id: object,
        login_failure_recorded: bool,  # noqa: FBT001 - as the protocol has it
    ) -> bool:
        """See `http.Watch.request`."""
        user = None if user_id is None else _name_of(user_id)
        if user is not None and self._activity is not None:
            self._activity.saw(user)
        if self._detector is None:
            return False
        address = self._clients.address(scope)
        self._detector.request(user, address, route, status)
        if login_failure_recorded or not self._detector.is_failed_login(method, route, status):
            return False
        count_login_failure(self._business, "rejected")
        self._detector.login_failed(address, None)
        return True

    def flush(self, timeout: float) -> bool:
        """Settle what is pending: tasks claimed, users told.

        Parameters:
            timeout: Seconds this may take.

        Returns:
            Whether all was done.
        """
        flushes = [self._tasks.flush] if self._activity is None else [self._tasks.flush, self._activity.flush]
        unsettled = set(flushes)

        def settle(flush: Callable[[float], bool]) -> None:
            if flush(left(timeout)):
                unsettled.discard(flush)

        return side_by_side(timeout, [partial(settle, flush) for flush in flushes]) and not unsettled

    def stop(self, timeout: float) -> None:
        """Settle what is pending, and end.

        Parameters:
            timeout: Seconds this may take.
        """
        end(self._business)
        self._polled.stop()
        stops = [self._tasks.stop] if self._activity is None else [self._tasks.stop, self._activity.stop]
        side_by_side(timeout, [partial(_stop, stop, timeout) for stop in stops])
        self._tasks.give_up()

    @guarded("detection.report")
    def _report(self, event_type: str, severity: str, details: dict[str, str | float | bool]) -> None:
        count_security_event(self._business, event_type, severity, details)


def _stop(stop: Callable[[float], None], timeout: float) -> None:
    stop(left(timeout))


def _name_of(user_id: object) -> str:
    """The text of a user's id, in bounded length: it is remembered for a while."""
    text = str(user_id)
    return text if len(text) <= _MAX_USER_ID else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _begin_at_zero(instruments: Instruments, settings: Settings) -> None:
    """Make the series of closed label sets, so that the first event is seen as an increase."""
    services = (*settings.ai_services, "other")
    roles = (None, *settings.roles, "other")
    for service, role in product(services, roles):
        instruments["ai.tasks.submitted"].record(0, (service, role))
        for status in ("pending", "success", "failed", "cancelled"):
            instruments["ai.tasks"].record(0, (service, status, role))
    for operation, role in product(("consume", "refund", "purchase"), roles):
        instruments["credits.operations"].record(0, (operation, role))
    for service in services:
        instruments["credits.consumed"].record(0, (service,))
    for event_type in (*EVENT_TYPES, *settings.security_event_types):
        severities = {"login_failure": "info", "api_abuse": "critical"}
        instruments["security.events"].record(0, (event_type, severities.get(event_type, "warning")))
    instruments["credits.purchased"].record(0)
    instruments["user.registrations"].record(0)
