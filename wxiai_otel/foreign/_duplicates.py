"""Instruments of other instrumentations that measure what the contract measures already."""

from collections.abc import Callable

from opentelemetry.context import Context

from .._request import is_measured
from ..settings import Settings

Skip = Callable[[Context | None], bool]

_PACKAGES = "opentelemetry.instrumentation."
# The instrumentations of servers and frameworks, and FastAPI's own telemetry.
_SERVER_SCOPES = (_PACKAGES, "fastapi")
_SERVER_NAMES = "http.server."


class Duplicates:
    """Decides which foreign measurements are left out, by the scope and the name of their instrument.

    Parameters:
        settings: Which libraries the SDK measures itself.
    """

    def __init__(self, settings: Settings) -> None:
        self._always: list[tuple[str, str]] = []
        if settings.sql:
            self._always.append((_PACKAGES + "sqlalchemy", "db.client."))
        if settings.redis:
            self._always.append((_PACKAGES + "redis", "db.client.operation."))
            self._always.append(("redis-py", "db.client.operation."))

    def skip(self, scope: str, name: str) -> Skip | None:
        """Return what decides on each measurement of an instrument; ``None`` if all are recorded."""
        if name.startswith(_SERVER_NAMES) and scope.startswith(_SERVER_SCOPES):
            return is_measured
        if any(scope == other and name.startswith(prefix) for other, prefix in self._always):
            return _always
        return None


def _always(_context: Context | None) -> bool:
    return True
