"""``<prefix>/stats``: the figures of the platform at a glance, for admins."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.types import ASGIApp

from .._guard import fault
from ._metrics import UNAVAILABLE

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Sample

Families = Iterable["Metric"]
FindUser = Callable[[Any], tuple[object, str | None] | None]


class _Endpoint(FastAPI):
    """The endpoint as a separate FastAPI application, in which the application's dependency works.

    FastAPI caches endpoints and dependencies for the life of the process. Those here are module-level functions, which
    get the application's objects from the request, so that the caches keep no application alive.
    """

    collect: Callable[[], Families]
    services: Sequence[str]
    find_user: FindUser
    roles: Sequence[str]


def stats_endpoint(
    app: FastAPI,
    path: str,
    collect: Callable[[], Families],
    services: Sequence[str],
    may_see: Callable[..., object] | None,
    find_user: FindUser,
    roles: Sequence[str],
) -> ASGIApp:
    """Return the endpoint.

    Parameters:
        app: The application, whose state, exception handlers and dependency overrides the endpoint shares.
        path: The path of the endpoint, prefix included.
        collect: Returns the current values of all metrics.
        services: AI services that always have an entry.
        may_see: The dependency that raises for users without access; ``None`` for `admins_only`.
        find_user: Returns the id and role of the user in an ASGI scope, or ``None`` without a user.
        roles: The roles of admins.
    """
    endpoint = _Endpoint(openapi_url=None, docs_url=None, redoc_url=None)
    endpoint.state = app.state
    endpoint.exception_handlers = app.exception_handlers
    endpoint.dependency_overrides = app.dependency_overrides
    endpoint.collect, endpoint.services, endpoint.find_user, endpoint.roles = collect, services, find_user, roles
    endpoint.add_api_route(path, _answer, methods=["GET", "HEAD"], dependencies=[Depends(may_see or admins_only)])
    return endpoint


async def _answer(request: Request) -> dict[str, Any]:
    endpoint: _Endpoint = request.app
    try:
        families = await anyio.to_thread.run_sync(endpoint.collect, limiter=CapacityLimiter(1))
    except OSError:
        fault("stats.collect")
        raise HTTPException(503, UNAVAILABLE) from None
    return _stats(families, endpoint.services)


def admins_only(request: Request) -> None:
    """Allow users with one of the admin roles: answer 401 without a user, 403 to any other."""
    endpoint: _Endpoint = request.app
    user = endpoint.find_user(request.scope)
    if user is None:
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    if user[1] not in endpoint.roles:
        raise HTTPException(403, "For admins only")


def _stats(families: Families, services: Sequence[str]) -> dict[str, Any]:
    total = _Totals(families)
    hits, misses = (total("cache_operations_total", result=result) for result in ("hit", "miss"))
    return {
        "total_requests": total("http_requests_total"),
        "active_connections": total("http_concurrent_connections") + total("websocket_connections"),
        "cache_stats": {
            "hits": hits,
            "misses": misses,
            "hit_rate": _share(hits, misses),
            "operations": total("cache_operations_total"),
            "errors": total("cache_operations_total", result="error"),
            "size_bytes": total("cache_size_bytes"),
        },
        "ai_tasks_stats": {service: _service(total, service) for service in services},
        "credits": {
            "consumed": total("credits_consumed_total"),
            "purchased": total("credits_purchased_total"),
            "operations": {
                operation: total("credits_operations_total", operation=operation)
                for operation in ("consume", "refund", "purchase")
            },
        },
        "users": {
            "active": total("active_users_current"),
            "daily": total("daily_active_users"),
            "monthly": total("monthly_active_users"),
            "registrations": total("user_registrations_total"),
        },
    }


def _service(total: "_Totals", service: str) -> dict[str, Any]:
    success, failed = (total("ai_tasks_total", service=service, status=status) for status in ("success", "failed"))
    ended, seconds = (total(f"ai_task_duration_seconds_{part}", service=service) for part in ("count", "sum"))
    return {
        "submitted": total("ai_tasks_submitted_total", service=service),
        "success": success,
        "failed": failed,
        "success_rate": _share(success, failed),
        "average_seconds": round(seconds / ended, 3) if ended else None,
    }


def _share(one: float, other: float) -> float | None:
    return round(one / (one + other), 4) if one + other else None


class _Totals:
    """Sums over the series that have some labels."""

    def __init__(self, families: Families) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for family in families:
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample)

    def __call__(self, name: str, **labels: str) -> float:
        value = sum(
            sample.value
            for sample in self._samples.get(name, ())
            if all(sample.labels[label] == wanted for label, wanted in labels.items())
        )
        return int(value) if value == int(value) else round(value, 6)
