"""Which route template handles a request, learnt from the routes themselves as they handle it.

The routers have matched the route already: nothing is matched a second time and no list of routes is walked. Each
route's ``handle`` tells the exchange of its scope which template it has. That is exact for what the scope alone cannot
tell: mounts with parameters, one endpoint under two paths, and FastAPI's routes under a prefix, whose own template
lacks it.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from .._guard import fault

SCOPE_KEY = "wxiai_otel.exchange"

_MOUNTED = "wxiai_otel.mounted"
_MARK = "_wxiai_otel_original"
_REST = "/{path}"

Handle = Callable[[Any, Scope, Receive, Send], Awaitable[None]]


class RouteTemplate:
    """The template of one request's route, put together as mounts and routes handle it."""

    __slots__ = ("_template",)

    def __init__(self) -> None:
        self._template: str | None = None

    def handled_by(self, route: Any, scope: Scope) -> None:
        """A route begins to handle the request."""
        # The prefix is the scope's, as root_path is: an application that tries several others hands each a copy.
        mount, prefix = scope.get(_MOUNTED, (None, ""))
        if isinstance(route, Mount):
            if route is not mount:  # a subclass reports, and then its base
                prefix += route.path_format.removesuffix(_REST)
                scope[_MOUNTED] = (route, prefix)
            self._template = prefix + _REST
        elif (own := _own_template(route, scope)) is not None:
            self._template = prefix + own

    def resolve(self, scope: Scope) -> str | None:
        """The template, or ``None`` where no route has handled the request."""
        if self._template is not None:
            return self._template
        # A route class that was made after the hooks, and does not call starlette's handle.
        return _own_template(scope.get("route"), scope)


def _own_template(route: Any, scope: Scope) -> str | None:
    fastapi = scope.get("fastapi", {})
    own: str | None = getattr(route, "path_format", None)
    if own is None:
        return _frontend_template(route, scope, fastapi.get("frontend_path"))
    # FastAPI from 0.137 includes routers without copying their routes: the context has the path with all prefixes.
    context = fastapi.get("effective_route_context")
    return context.path_format if context is not None and context.original_route is route else own


def _frontend_template(route: Any, scope: Scope, rest: str | None) -> str | None:
    """FastAPI's ``app.frontend("/app", ...)`` serves files below a path without parameters."""
    if rest is None or type(route).__name__ != "_FrontendRouteGroup":
        return None
    return get_route_path(scope).removesuffix(rest).rstrip("/") + _REST


def _reporting(cls: type, original: Any) -> Handle:
    # As the class hands it out: what ddtrace and others leave in the class is no function, and wants to be bound.
    bound: Handle = cls.handle  # type: ignore[attr-defined]

    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = scope.get(SCOPE_KEY)
        if exchange is not None:
            try:
                exchange.handled_by(self, scope)
            except Exception:  # noqa: BLE001 - the route handles the request all the same
                fault("http.route")
        return bound(self, scope, receive, send)

    # With itself: whoever wraps it later may copy its attributes.
    setattr(handle, _MARK, (handle, original))
    return handle


def _route_classes(cls: type = BaseRoute) -> Iterator[type]:
    """All classes of routes that there are: an application's own handle need not call its base's."""
    subclass: type
    for subclass in cls.__subclasses__():
        if inspect.isfunction(vars(subclass).get("handle")):
            yield subclass
        yield from _route_classes(subclass)


def install_route_hooks() -> None:
    """Have the route classes report to the exchange in the scope, if there is one."""
    for cls in _route_classes():
        original = vars(cls)["handle"]
        if not hasattr(original, _MARK):
            cls.handle = _reporting(cls, original)  # type: ignore[attr-defined]


def remove_route_hooks() -> None:
    """Undo `install_route_hooks`, unless someone else has wrapped ``handle`` since."""
    for cls in _route_classes():
        handle = vars(cls)["handle"]
        ours, original = getattr(handle, _MARK, (None, None))
        if ours is handle:
            cls.handle = original  # type: ignore[attr-defined]
