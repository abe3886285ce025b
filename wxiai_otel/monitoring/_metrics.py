"""``<prefix>/metrics``: the contract in Prometheus' text format or in OpenMetrics."""

import hmac
from collections.abc import Callable

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from .._guard import fault
from ._methods import not_allowed

# Of what workers find each other by: it is removed, or cannot be read.
UNAVAILABLE = "The workers of this server cannot all be asked"

Render = Callable[[str | None], tuple[bytes, str]]


class MetricsEndpoint:
    """Answers a scrape.

    Rendering has a thread of its own: it neither blocks the event loop nor waits for the application's threads.

    Parameters:
        render: Gives the exposition and its content type for an Accept header.
        token: The bearer token that is asked for; empty: none.
    """

    def __init__(self, render: Render, token: str) -> None:
        self._render = render
        self._token = token.encode("utf-8", "surrogatepass")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD with the current values, anything else with 405; 401 without the token."""
        headers = Headers(scope=scope)
        response: Response | None = not_allowed(scope)
        if response is None and not self._may_see(headers):
            response = PlainTextResponse("Unauthorized", 401, {"WWW-Authenticate": "Bearer"})
        if response is None:
            response = await self._exposition(",".join(headers.getlist("accept")))
        await response(scope, receive, send)

    async def _exposition(self, accept: str) -> Response:
        try:
            body, content_type = await anyio.to_thread.run_sync(self._render, accept, limiter=CapacityLimiter(1))
        except OSError:  # no scrape is better than one in which counters go back
            fault("prometheus.scrape")
            return PlainTextResponse(UNAVAILABLE, 503)
        return Response(body, headers={"Content-Type": content_type})

    def _may_see(self, headers: Headers) -> bool:
        if not self._token:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Headers are latin-1 to ASGI, whatever the client has encoded.
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._token)
