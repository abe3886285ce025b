"""Putting our layers into an application's middleware stack, built or not yet built."""

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp

from .._guard import guarded
from ._endpoints import EndpointsLayer
from ._middleware import TelemetryMiddleware
from ._native import warn_of_starlettes
from ._route import install_route_hooks
from .installation import Installation


def install(app: Starlette) -> Installation:
    """Stand around the whole stack and around the router of an application.

    ``add_middleware`` would not do: it raises once the stack is built, as it is in a lifespan handler, and puts
    middlewares inside ServerErrorMiddleware, where the status that is sent after an exception is not seen.

    Parameters:
        app: The application. Its stack is wrapped when it is built, and now if it is built already.
    """
    installation = Installation()
    build: Callable[[], ASGIApp] = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        if installation.http is not None:
            _before_serving(app)
        return TelemetryMiddleware(build(), installation)

    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]
    if app.middleware_stack is not None:
        _before_serving(app)
        app.middleware_stack = TelemetryMiddleware(app.middleware_stack, installation)
    app.router.middleware_stack = EndpointsLayer(app.router.middleware_stack, installation)

    def uninstall() -> None:
        if app.build_middleware_stack is build_middleware_stack:
            app.build_middleware_stack = build  # type: ignore[method-assign]
        if isinstance(app.middleware_stack, TelemetryMiddleware):
            app.middleware_stack = app.middleware_stack.app
        if isinstance(app.router.middleware_stack, EndpointsLayer):
            app.router.middleware_stack = app.router.middleware_stack.app  # type: ignore[assignment]

    installation.uninstall = uninstall
    return installation


@guarded("http.install")
def _before_serving(app: Starlette) -> None:
    """What is to be done once the application has its middlewares and its classes of routes."""
    install_route_hooks()
    warn_of_starlettes(app)


def in_lifespan_startup(app: Starlette) -> bool:
    """Whether the caller runs within the application's lifespan handler, before the first request is served."""
    code = _lifespan_code(app.router)
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to learn who awaits us
    while frame is not None:
        if frame.f_code in code:
            return True
        frame = frame.f_back
    return False


def _lifespan_code(router: Router) -> set[CodeType]:
    found: set[CodeType] = set()
    for cls in type(router).__mro__:
        function: Any = vars(cls).get("lifespan")
        if code := getattr(function, "__code__", None):
            found.add(code)
    return found
