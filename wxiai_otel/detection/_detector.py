"""Looking for abuse: requests of one client, and failed logins from one address or against one account.

Each finding is one event for each client and window, not for each request. A window begins with a client's first
request and is of this process; what is remembered is bounded whatever the attack.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress

from .._reentry import Serial
from ..settings import Settings
from ._windows import Recent

Report = Callable[[str, str, dict[str, str | float | bool]], None]

_REFUSALS = (403, 404, 405)
_FAILED_LOGIN = (400, 401, 403)
# Routes are few; further ones share the last place.
_MAX_ROUTES = 4_096


class _Client:
    """What a client has done in its window."""

    __slots__ = ("refusals", "reported", "requests", "routes", "started")

    def __init__(self) -> None:
        self.started = 0.0
        self.requests = 0
        self.refusals = 0
        self.routes = 0
        self.reported = False


class _Failures:
    """How often logging in has failed in a window."""

    __slots__ = ("count", "started")

    def __init__(self) -> None:
        self.started = 0.0
        self.count = 0


class Detector:
    """Watches the requests of a process.

    Parameters:
        settings: The thresholds and windows.
        report: Is told the event type, its severity and details; in the request in which it was found.
    """

    def __init__(self, settings: Settings, report: Report) -> None:
        self._report = report
        self._window = settings.detection_window
        self._most_requests = settings.abuse_requests
        self._most_refusals = settings.suspicious_refusals
        self._most_routes = settings.suspicious_routes
        self._login_window = settings.login_window
        self._most_failures = settings.login_failures
        self._login_routes = frozenset(settings.login_routes)
        self._clients: Recent[_Client] = Recent(
            _Client, settings.detection_clients, lambda client: time.monotonic() - client.started <= self._window
        )
        self._failures: Recent[_Failures] = Recent(
            _Failures,
            settings.detection_clients,
            lambda failures: time.monotonic() - failures.started <= self._login_window,
        )
        self._routes: dict[str, int] = {}
        self._serial = Serial()
        self._found: deque[tuple[str, str, str | None, dict[str, str | float]]] = deque()

    def observe_clients(self) -> Iterator[tuple[tuple[str], float]]:
        """How many clients, and how many sources of failed logins, are remembered."""
        yield ("requests",), len(self._clients)
        yield ("logins",), len(self._failures)

    def observe_forgotten(self) -> Iterator[tuple[tuple[str], float]]:
        """How many of these were forgotten within their window, since there were too many others."""
        yield ("requests",), self._clients.forgotten
        yield ("logins",), self._failures.forgotten

    def request(self, user_id: str | None, address: str | None, route: str | None, status: int) -> None:
        """A request has ended.

        Parameters:
            user_id: The id of its user, who is the client wherever the requests come from.
            address: Where it came from: the client, where there is no user.
            route: The template; ``None`` where no route has handled it.
            status: The status that was sent.
        """
        if user_id is None and address is None:
            return  # behind a socket of the machine's: all of them would be one client
        self._serial.run(self._count_request, user_id, address, route, status, time.monotonic())
        if self._found:
            self._report_found()

    def _count_request(
        self, user_id: str | None, address: str | None, route: str | None, status: int, now: float
    ) -> None:
        client = self._clients.of(address if user_id is None else (user_id,))
        if now - client.started > self._window:
            client.started, client.requests, client.refusals, client.routes = now, 0, 0, 0
            client.reported = False
        client.requests += 1
        if client.requests == self._most_requests:
            self._found.append(("api_abuse", "critical", address, {"requests": client.requests}))
        if status in _REFUSALS:
            client.refusals += 1
        if route is not None:
            client.routes |= 1 << self._place(route)
        if not client.reported and (
            client.refusals >= self._most_refusals or client.routes.bit_count() >= self._most_routes
        ):
            client.reported = True
            found: dict[str, str | float] = {"refusals": client.refusals, "routes": client.routes.bit_count()}
            self._found.append(("suspicious_access", "warning", address, found))

    def is_failed_login(self, method: str, route: str | None, status: int) -> bool:
        """Whether a request is a login that has failed, as far as its route tells."""
        return status in _FAILED_LOGIN and method == "POST" and route in self._login_routes

    def login_failed(self, client: str | None, account: str | None) -> None:
        """A login has failed.

        Parameters:
            client: From which address, if known.
            account: Against which account, if known.
        """
        now = time.monotonic()
        keys: tuple[tuple[str, Hashable], ...] = (
            ("address", client and ("address", client)),
            ("account", account and ("account", hash(account))),
        )
        for kind, key in keys:
            if key:
                self._serial.run(self._count_failure, kind, key, client, now)
        self._report_found()

    def _report_found(self) -> None:
        # Outside the change: reporting may log, and log handlers are the application's code.
        while self._found:
            with suppress(IndexError):  # another thread has reported it
                event_type, severity, address, details = self._found.popleft()
                self._report(event_type, severity, {"client.address": address or "unknown", **details})

    def _count_failure(self, kind: str, key: Hashable, client: str | None, now: float) -> None:
        failures = self._failures.of(key)
        if now - failures.started > self._login_window:
            failures.started, failures.count = now, 0
        failures.count += 1
        if failures.count == self._most_failures:
            self._found.append(
                ("login_failure_burst", "warning", client, {"by": kind, "failures": self._most_failures})
            )

    def _place(self, route: str) -> int:
        place = self._routes.get(route)
        if place is None:
            place = self._routes[route] = min(len(self._routes), _MAX_ROUTES - 1)
        return place
