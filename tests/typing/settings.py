"""What a type checker and an editor must know of the settings. Never run, only checked."""

from collections.abc import Callable
from typing import Any, Unpack

import redis
import redis.asyncio
from fastapi import FastAPI
from redis.cluster import RedisCluster
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.types import Scope

from wxiai_otel import SettingsArguments, setup_telemetry


def find_user(scope: Scope) -> tuple[int, str] | None:
    return None


def admins_only(token: str) -> None: ...


async def is_alive() -> bool:
    return True


def uses(app: FastAPI, options: dict[str, Any], maybe: str | None, check: Callable[[], object]) -> None:
    setup_telemetry()
    setup_telemetry(app, service_name="shop", environment=maybe, http=True, strict=None)
    setup_telemetry(app, trace_share=0, task_timeout=60, max_series=500, slow_query_seconds=0.25)
    setup_telemetry(app, roles=["gold"], known_methods={"GET"}, ai_services=("sora",), login_routes="/in,/out")
    setup_telemetry(app, http_engine="contrib", otlp_protocol="grpc", logs_exporter="console")
    setup_telemetry(app, find_user=find_user, stats_dependency=admins_only)
    setup_telemetry(app, avg_user_credits=lambda: 7.5, daily_active_users="SELECT 7")
    setup_telemetry(app, health_checks={"queue": check, "alive": is_alive}, ai_probes={"flux": "https://x", "q": check})
    setup_telemetry(app, gauge_engine=create_engine("sqlite://"), engines={"main": create_engine("sqlite://")})
    setup_telemetry(app, gauge_engine=create_async_engine("sqlite+aiosqlite://"))
    setup_telemetry(app, state_redis=redis.Redis(), redis_client=redis.asyncio.Redis())
    setup_telemetry(app, state_redis=RedisCluster(), redis_client="redis://cache")
    setup_telemetry(app, **options)
    settings: SettingsArguments = {"prefix": "/ops", "redis": False}
    setup_telemetry(app, **settings)


def passes_on(app: FastAPI, **settings: Unpack[SettingsArguments]) -> None:
    setup_telemetry(app, **settings)


def errors(app: FastAPI) -> None:
    # Each of these must be an error: mypy warns of an ignore that it does not need.
    setup_telemetry(app, service_nam="shop")  # type: ignore[call-arg]
    setup_telemetry(app, WXIAI_OTEL_HTTP=True)  # type: ignore[call-arg]
    setup_telemetry(app, service_name=7)  # type: ignore[arg-type]
    setup_telemetry(app, http="false")  # type: ignore[arg-type]
    setup_telemetry(app, trace_share="0.5")  # type: ignore[arg-type]
    setup_telemetry(app, max_series=0.5)  # type: ignore[arg-type]
    setup_telemetry(app, roles=7)  # type: ignore[arg-type]
    setup_telemetry(app, roles=[7])  # type: ignore[list-item]
    setup_telemetry(app, http_engine="mine")  # type: ignore[arg-type]
    setup_telemetry(app, find_user="state.user")  # type: ignore[arg-type]
    setup_telemetry(app, health_checks=["queue"])  # type: ignore[arg-type]
    setup_telemetry(app, health_checks={"queue": 7})  # type: ignore[dict-item]
    setup_telemetry(app, gauge_engine="sqlite://")  # type: ignore[arg-type]
    setup_telemetry(app, state_redis=7)  # type: ignore[arg-type]
    setup_telemetry(app, avg_user_credits=7)  # type: ignore[arg-type]
    SettingsArguments(prefx="/ops")  # type: ignore[typeddict-unknown-key]
    SettingsArguments(prefix=7)  # type: ignore[typeddict-item]
    passes_on(app, prefx="/ops")  # type: ignore[call-arg]
