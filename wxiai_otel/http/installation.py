"""Where telemetry stands in one application. It stays in place after its end, and then only passes on."""

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp

from ._http import Http


class Installation:
    """What the layers in an application's middleware stack read on each request.

    Attributes:
        http: Options and instruments of the HTTP path; ``None`` where it is not instrumented.
        endpoints: ASGI applications by their path, prefix included.
        refill: Allows a shutdown the whole of the setting shutdown_timeout; called when a lifespan starts.
        flush: Exports what is pending, within what is left of the setting shutdown_timeout.
        uninstall: Takes the layers out of the application, where they are the outermost.
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
