"""Python imports this at its start, because ``wxiai-otel run`` has put its folder on PYTHONPATH.

Every Python process below the command does, so that nothing is imported here that Python has not already. Where FastAPI
is imported, its class is told to set up an application when a server calls it for the first time: that is the one that
is served, however it was made and found, in the process that serves it, with all its routes and middlewares.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

_APPLICATIONS = "fastapi.applications"
_PACKAGE = "wxiai_otel"


class _Finder:
    """Finds one module as the finders after it do, and has something done once it is imported."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name != _APPLICATIONS:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment] # it is a loader by what it passes on
        return spec


class _Loader:
    """A loader that is another's, but for what comes after."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        _watch(module.FastAPI)


def _watch(fastapi: Any) -> None:
    call = fastapi.__call__

    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: N807 - it is that
        # The stack is built within the first call; an application within another one is that one's.
        if self.middleware_stack is None and not isinstance(scope.get("app"), fastapi):
            send = _begin(self, scope, send)
        await call(self, scope, receive, send)

    fastapi.__call__ = __call__


def _begin(app: Any, scope: Any, send: Any) -> Any:
    """Set up, now or, where the application may do so itself in its lifespan handler, after that."""
    if scope["type"] == "lifespan" and _PACKAGE in sys.modules:
        return _watching(app, send)
    _set_up(app)
    return send


def _watching(app: Any, send: Any) -> Any:
    async def watching(message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            _set_up(app)
        elif message["type"].startswith("lifespan.shutdown."):
            await _flush(app)
        await send(message)

    return watching


def _set_up(app: Any) -> None:
    try:
        from wxiai_otel.zero_code._application import set_up
    except Exception:  # the application starts without telemetry
        import logging

        logging.getLogger(_PACKAGE).warning(
            "wxiai-otel run: no telemetry, because the package cannot be imported by %s", sys.executable, exc_info=True
        )
    else:
        set_up(app)


async def _flush(app: Any) -> None:
    """Before the server hears that the shutdown is complete, and ends the process."""
    from anyio import CapacityLimiter, to_thread

    from wxiai_otel.zero_code._application import flush

    # Of its own: all threads that the application may use may be busy.
    await to_thread.run_sync(flush, app, limiter=CapacityLimiter(1))


def _chain() -> None:
    """Run the sitecustomize that this one stands before."""
    here = os.path.realpath(os.path.dirname(__file__))
    others = [folder for folder in sys.path if os.path.realpath(folder or ".") != here]
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


sys.meta_path.insert(0, _Finder())
_chain()
