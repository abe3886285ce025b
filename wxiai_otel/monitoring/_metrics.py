"""``<prefix>/metrics``: the contract in Prometheus' text format or in OpenMetrics."""

from collections.abc import Callable

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

Render = Callable[[str | None], tuple[bytes, str]]


class MetricsEndpoint:
    """Answers a scrape.

    Rendering has a thread of its own: it neither blocks the event loop nor waits for the application's threads.
    """

    def __init__(self, render: Render) -> None:
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD with the current values, anything else with 405."""
        response: Response
        if scope["method"] not in ("GET", "HEAD"):
            response = PlainTextResponse("Method Not Allowed", 405, {"Allow": "GET, HEAD"})
        else:
            accept = ",".join(Request(scope).headers.getlist("accept"))
            body, content_type = await anyio.to_thread.run_sync(self._render, accept, limiter=CapacityLimiter(1))
            response = Response(body, headers={"Content-Type": content_type})
        await response(scope, receive, send)
