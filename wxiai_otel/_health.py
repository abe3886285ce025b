"""The health checks of one process, put together."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .monitoring import AIServices, HealthChecks, database, redis
from .settings import Settings


def health_checks(settings: Settings, engines: Callable[[], list[Any]], instrumentation: Any) -> HealthChecks:
    """What is checked by itself, and what the settings add.

    Parameters:
        settings: health_checks, ai_probes and their time limits.
        engines: Gives the engines of SQLAlchemy that have been used.
        instrumentation: Redis'; ``None`` without.
    """
    checks: dict[str, Callable[[], Any]] = {
        "database": partial(database, engines, settings.health_timeout),
        "redis": partial(redis, instrumentation),
        "ai_services": AIServices(settings.ai_probes or {}, settings.health_timeout),
        **(settings.health_checks or {}),
    }
    return HealthChecks(checks, settings.health_interval, settings.health_timeout)
