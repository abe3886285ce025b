"""The guard between telemetry and the application: a fault of ours is counted and logged, and goes no further.

Call sites on the request path write ``try: ... except Exception: fault("site")`` themselves, because a wrapper would
cost a call per request; everything else uses `guarded`.
"""

import functools
import logging
import sys
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ._database_errors import holds_reports, stacktrace_of
from ._reentry import may_log

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("wxiai_otel")

LOG_INTERVAL_SECONDS = 60.0

_MESSAGE = "telemetry fault in %s; the application is not affected"

_counts: dict[str, int] = {}
_logged_at: dict[str, float] = {}


def fault(site: str) -> None:
    """Count the exception being handled and log it, at most once a minute for each site.

    Parameters:
        site: The piece of this package that failed, for example ``http.start``.
    """
    try:
        _counts.setdefault(site, 0)
        _counts[site] += 1
        now = time.monotonic()
        if now - _logged_at.get(site, -LOG_INTERVAL_SECONDS) >= LOG_INTERVAL_SECONDS and may_log():
            _logged_at[site] = now
            error = sys.exception()
            if error is None or not holds_reports(error):
                logger.warning(_MESSAGE, site, exc_info=True)
            else:
                logger.warning("%s\n%s", _MESSAGE % site, stacktrace_of(error))
    except Exception:  # noqa: BLE001, S110 - a logging handler of the application's may itself be broken
        pass


def faults() -> dict[str, int]:
    """The number of faults since the process started, by site."""
    return _counts.copy()


def guarded(site: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Decorate a function so that what it raises is a fault, and its result then None."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception:  # noqa: BLE001 - this is the boundary that stops telemetry's faults
                fault(site)
                return None

        return call

    return decorate
