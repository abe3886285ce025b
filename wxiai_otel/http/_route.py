"""Which route template handles a request, learnt from the routes themselves as they handle it.

The routers have matched the route already: nothing is matched a second time and no list of routes is walked. Each
route's ``handle`` tells the exchange of its scope which template it has. That is exact for what the scope alone cannot
tell: mounts with parameters, one endpoint under two paths, and FastAPI's routes under a prefix, whose own template
lacks it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from .._guard import fault

SCOPE_KEY = "wxiai_otel.exchange"

_MARK = "_wxiai_otel_original"
_MOUNT_REST = "/{path}"

Handle = Callable[[Any, Scope, Receive, Send], Awaitable[None]]


class RouteTemplate:
    """The template of one request's route, put together as mounts and routes handle it."""

    __slots__ = ("_prefix", "_template")

    def __init__(self) -> None:
        self._prefix = ""
        self._template: str | None = None

    def handled_by(self, route: Any, scope: Scope) -> None:
        """A route begins to handle the request."""
        if isinstance(route, Mount):
            self._prefix += route.path_format.removesuffix(_MOUNT_REST)
            self._template = self._prefix + _MOUNT_REST
            return
        # FastAPI from 0.137 includes routers without copying their routes: the context has the path with all prefixes.
        context = scope.get("fastapi", {}).get("effective_route_context")
        included = context is not None and context.original_route is route
        self._template = self._prefix + (context.path_format if included else route.path_format)

    def resolve(self, scope: Scope) -> str | None:
        """The template, or ``None`` where no route has handled the request."""
        if self._template is not None:
            return self._template
        # A route class of another make, which does not call starlette's handle.
        return getattr(scope.get("route"), "path_format", None)


def _reporting(original: Handle) -> Handle:
    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = scope.get(SCOPE_KEY)
        if exchange is not None:
            try:
                exchange.handled_by(self, scope)
            except Exception:  # noqa: BLE001 - the route handles the request all the same
                fault("http.route")
        return original(self, scope, receive, send)

    setattr(handle, _MARK, original)
    return handle


def _route_classes() -> list[type]:
    from fastapi.routing import APIRoute, APIWebSocketRoute

    classes: list[type] = [Mount, Route, WebSocketRoute, APIRoute, APIWebSocketRoute]
    return [cls for cls in classes if "handle" in vars(cls)]


def install_route_hooks() -> None:
    """Have starlette's and FastAPI's route classes report to the exchange in the scope, if there is one."""
    for cls in _route_classes():
        original = vars(cls)["handle"]
        if not hasattr(original, _MARK):
            cls.handle = _reporting(original)  # type: ignore[attr-defined]


def remove_route_hooks() -> None:
    """Undo `install_route_hooks`, unless someone else has wrapped ``handle`` since."""
    for cls in _route_classes():
        original = getattr(vars(cls)["handle"], _MARK, None)
        if original is not None:
            cls.handle = original  # type: ignore[attr-defined]
