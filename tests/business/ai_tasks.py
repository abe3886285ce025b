"""What the tests of AI tasks share."""

import functools
from enum import Enum

from tests.scrape import Scrape, scrape


def ai(seen: Scrape) -> dict[tuple[str, str, str], float]:
    """The tasks that there were: by service, status and role."""
    counts = seen.series("ai_tasks_total", "service", "status", "user_role")
    return {labels: count for labels, count in counts.items() if count}


def is_consistent(seen: Scrape, service: str = "flux") -> bool:
    """Whether everything that is counted of a task says the same."""
    pending, success, failed, cancelled = (
        seen.value("ai_tasks_total", service=service, status=status)
        for status in ("pending", "success", "failed", "cancelled")
    )
    return (
        pending == seen.value("ai_tasks_submitted_total", service=service) == success + failed + cancelled
        and success + failed + cancelled == seen.value("ai_task_duration_seconds_count", service=service)
        and failed
        == seen.value("ai_service_failures_total", service=service)
        == seen.value("application_errors_total", component=f"ai_service_{service}")
    )


def counts(telemetry, service: str = "flux") -> tuple[float, float, float]:
    """Pending, success and failed of a service."""
    seen = scrape(telemetry)
    assert is_consistent(seen, service)
    return tuple(
        seen.value("ai_tasks_total", service=service, status=status) for status in ("pending", "success", "failed")
    )


def cancelled(telemetry, service: str = "flux") -> float:
    """Return the number of cancelled tasks of a service."""
    return scrape(telemetry).value("ai_tasks_total", service=service, status="cancelled")


class Wrong(Exception):
    pass


class Color(Enum):
    FLUX = "flux"
    FAST = "fast"
    VIP = "vip"


def plainly(function):
    """A decorator as most are: it returns whatever the function returns."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call
