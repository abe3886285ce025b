"""What the endpoints answer."""

from ._checks import HealthChecks
from ._health import HealthEndpoint
from ._metrics import MetricsEndpoint
from ._probes import AIServices, database, redis
from ._stats import admins_only, stats_endpoint

__all__ = [
    "AIServices",
    "HealthChecks",
    "HealthEndpoint",
    "MetricsEndpoint",
    "admins_only",
    "database",
    "redis",
    "stats_endpoint",
]
