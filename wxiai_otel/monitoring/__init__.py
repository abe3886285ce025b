"""What the endpoints answer."""

from ._checks import HealthChecks
from ._health import HealthEndpoint
from ._metrics import MetricsEndpoint
from ._probes import AIServices, database, redis
from ._stats import stats_endpoint

__all__ = [
    "AIServices",
    "HealthChecks",
    "HealthEndpoint",
    "MetricsEndpoint",
    "database",
    "redis",
    "stats_endpoint",
]
