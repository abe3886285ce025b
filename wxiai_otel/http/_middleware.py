"""The outermost ASGI layer of an application: it sees the status that is sent, whatever answers inside."""

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._guard import fault
from .._own import suppressed
from .._questions import note_loop
from ._exchange import HttpExchange
from ._native import SCOPE_KEY as NATIVE_KEY
from ._route import SCOPE_KEY
from ._websocket import WebSocketExchange
from .installation import Installation


class TelemetryMiddleware:
    """Stores the application and its installation only; each request's state is in its exchange."""

    def __init__(self, app: ASGIApp, installation: Installation) -> None:
        self.app = app
        self._installation = installation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application handle the scope, with telemetry where there is some to be had."""
        kind = scope["type"]
        if kind == "lifespan":
            note_loop()
            if (refill := self._installation.refill) is not None:
                refill()
            await self.app(scope, receive, self._flushing(send))
            return
        http = self._installation.http
        if http is None or SCOPE_KEY in scope or kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # FastAPI's and starlette's own telemetry see these and stand back, in mounted applications too.
        scope.setdefault(NATIVE_KEY, None)
        scope["starlette.opentelemetry"] = True
        try:
            excluded = http.excluded(scope)
            exchange = None if excluded else _EXCHANGES[kind](http, scope, receive)
        except Exception:  # noqa: BLE001 - the request is handled without telemetry
            fault("http.start")
            excluded, exchange = False, None
        if exchange is not None:
            await exchange.run(self.app, receive, send)
        elif excluded:
            with suppressed():
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _flushing(self, send: Send) -> Send:
        """Export what is pending before the server hears that the shutdown is complete, and ends the process."""

        async def flush_then_send(message: Message) -> None:
            flush = self._installation.flush
            try:
                if flush is not None and message["type"].startswith("lifespan.shutdown."):
                    # The application's threads may all be busy, or never end.
                    await anyio.to_thread.run_sync(flush, limiter=CapacityLimiter(1))
            except Exception:  # noqa: BLE001 - the shutdown goes on
                fault("lifespan.flush")
            await send(message)

        return flush_then_send


_EXCHANGES: dict[str, type[HttpExchange | WebSocketExchange]] = {"http": HttpExchange, "websocket": WebSocketExchange}
