"""``<prefix>/health``: whether the application and what it needs are well."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .._questions import in_asyncio, note_loop
from ._checks import Health, HealthChecks
from ._methods import not_allowed

_Found = dict[str, Health]


class HealthEndpoint:
    """Answers probes: 200 or 503. However many there are, the checks are made once in a while.

    Parameters:
        checks: The checks.
        max_age: Seconds for which what was found is answered again.
    """

    def __init__(self, checks: HealthChecks, max_age: float) -> None:
        self._checks = checks
        self._max_age = max_age
        self._checking: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[_Found]] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; with ``?live`` whether the process answers at all, without asking anything else."""
        response: Response | None = not_allowed(scope)
        if response is None:
            response = await self._respond(live="live" in Request(scope).query_params)
        await response(scope, receive, send)

    async def _respond(self, *, live: bool) -> Response:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        if live:
            return JSONResponse({"status": "healthy", "timestamp": timestamp})
        found = await self._found()
        healthy = all(health.healthy for health in found.values())
        content: dict[str, Any] = {
            "status": "healthy" if healthy else "unhealthy",
            "timestamp": timestamp,
            "checks": {
                name: {"healthy": health.healthy, "message": health.message, "latency_ms": health.latency_ms}
                for name, health in found.items()
            },
        }
        return JSONResponse(content, 200 if healthy else 503, {"Cache-Control": "no-store"})

    async def _found(self) -> _Found:
        note_loop()
        if not self._checks.are_due(self._max_age):
            return self._checks.known()
        if not in_asyncio():
            return await self._check()
        loop = asyncio.get_running_loop()
        checking = self._checking.get(loop)
        if checking is None or checking.done():
            checking = self._checking[loop] = loop.create_task(self._check())
        return await asyncio.shield(checking)

    async def _check(self) -> _Found:
        # A thread of its own: those of the application may all be busy.
        return await anyio.to_thread.run_sync(self._checks.results, self._max_age, limiter=CapacityLimiter(1))
