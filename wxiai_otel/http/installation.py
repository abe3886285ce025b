"""Where telemetry stands in one application. It stays in place after its end, and then only passes on."""

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp

from ._http import Http


class Installation:
    """The state that the layers in an application's middleware stack share.

    Attributes:
        http: Options and instruments of the HTTP path; ``None`` if it is not instrumented.
        endpoints: ASGI applications by path, prefix included.
        refill: Called when a lifespan starts, to allow the next shutdown the whole shutdown_timeout.
        flush: Exports pending data, within the time that is left of shutdown_timeout.
        uninstall: Removes the layers from the application if they are the outermost ones.
    """

    __slots__ = ("endpoints", "flush", "http", "refill", "uninstall")

    def __init__(self) -> None:
        self.http: Http | None = None
        self.endpoints: Mapping[str, ASGIApp] = {}
        self.refill: Callable[[], object] | None = None
        self.flush: Callable[[], object] | None = None
        self.uninstall: Callable[[], None] | None = None

    def clear(self) -> None:
        """Only pass on, from now on."""
        self.http = None
        self.endpoints = {}
        self.refill = None
        self.flush = None
