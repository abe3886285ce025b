"""What the helpers of this process record with. They may be called before there is any, and then record nothing."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentelemetry.trace import NoOpTracer, Tracer

from .._reentry import may_log, may_use_sdk
from .._request import current_request
from ..instruments import Instruments
from ..settings import Settings
from ._tasks import Tasks
from ._words import word

logger = logging.getLogger("wxiai_otel")

OTHER = "other"
_NO_SPANS = NoOpTracer()
ANONYMOUS = "anonymous"  # the label of nobody's role


class Activity(Protocol):
    """Where users are seen."""

    def record(self, user_id: object, at: datetime | float | None = None) -> None:
        """A user was active."""


class Logins(Protocol):
    """Where failed logins are watched."""

    def login_failed(self, client: str | None, account: str | None) -> None:
        """A login has failed."""


@dataclass(frozen=True, slots=True)
class Business:
    """The business telemetry of a process.

    Parameters:
        settings: The settings of the process.
        instruments: The instruments to record with.
        spans: The tracer.
        tasks: The AI tasks that complete in another process.
        activity: The active users; ``None`` if they are not counted.
        logins: The detector of failed logins; ``None`` if detection is disabled.
    """

    settings: Settings
    instruments: Instruments
    spans: Tracer
    tasks: Tasks
    activity: Activity | None
    logins: Logins | None

    @property
    def tracer(self) -> Tracer:
        """The tracer. It creates no spans while this thread interrupts the SDK, which holds locks."""
        return self.spans if may_use_sdk() else _NO_SPANS

    def role(self, given: object = None) -> str | None:
        """The label of a role, by default of the current request's user; ``None`` for nobody."""
        if given is None:
            request = current_request.get()
            return request.role() if request is not None else None
        role = word(given, "user_role")
        if role == ANONYMOUS:
            return None
        return role if role is not None and role in self.settings.roles else OTHER

    def service(self, given: object) -> str:
        """The label of an AI service: a known one, or ``other``."""
        service = (word(given, "service") or OTHER).lower()
        return service if service in self.settings.ai_services else OTHER


_business: Business | None = None
_told = False


def current() -> Business | None:
    """The business telemetry of this process; ``None`` before `setup_telemetry`, or where it is disabled."""
    global _told
    if _business is None and not _told and may_log():
        _told = True
        logger.info("nothing is recorded in this process: setup_telemetry has not been called, or is disabled")
    return _business


def begin(business: Business | None) -> None:
    """Have the helpers record with this from now on."""
    global _business
    _business = business


def end(business: Business) -> None:
    """Have the helpers record nothing, unless something else has begun."""
    global _business
    if _business is business:
        _business = None
