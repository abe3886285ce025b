"""The layer between an application's middlewares and its router that answers our own paths.

It stands before every route, so that an application ending in a catch-all answers there too, within the application's
middlewares, and costs a look-up by path instead of further routes to match.
"""

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from .installation import Installation


class EndpointsLayer:
    """An ASGI layer that passes on what is not for one of our endpoints."""

    def __init__(self, app: ASGIApp, installation: Installation) -> None:
        self.app = app
        self._installation = installation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one of our paths, or have the router handle the scope."""
        endpoint = None
        if scope["type"] == "http":
            path = get_route_path(scope) if scope.get("root_path") else scope["path"]
            endpoint = self._installation.endpoints.get(path)
        await (endpoint or self.app)(scope, receive, send)
