"""The example application, unchanged but for a middleware of faults inside its telemetry."""

import asyncio
import itertools
from typing import Any

from examples.wxiai.app import app

from .names import ERRORS, HOLD_PATH, POOL
from .switches import Switches

EVERY = 10

_switches = Switches.of_environment()
_requests = itertools.count(1)


class Faults:
    """Every 10th request fails; a pool gives out all that it has."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            if scope["path"] == HOLD_PATH:
                self._holding = asyncio.create_task(_hold_pool())
            elif _switches.is_on(ERRORS) and next(_requests) % EVERY == 0:
                _switches.failed(ERRORS)
                raise RuntimeError("every tenth request fails")
        await self._app(scope, receive, send)


async def _hold_pool() -> None:
    engine = app.state.database.engine
    # As much as QueuePool gives out at the most.
    room = engine.pool.size() + engine.pool._max_overflow
    held = [await asyncio.to_thread(engine.connect) for _ in range(room)]
    _switches.failed(POOL)
    while _switches.is_on(POOL):  # noqa: ASYNC110 - another process turns it off
        await asyncio.sleep(0.2)
    for connection in held:
        connection.close()


app.add_middleware(Faults)
