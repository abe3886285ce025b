"""What the application says itself, what is looked for in it, and the endpoints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._parsers import (
    boolean,
    checks,
    engine,
    function,
    names,
    networks,
    positive_float,
    positive_int,
    probes,
    question,
    state_redis,
    templates,
    text,
    time_zone,
)
from ._declare import setting
from ._platform import PlatformSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(PlatformSettings):
    """The settings of `setup_telemetry`, each with its default."""

    state_redis: Any = setting(
        None,
        "Where all workers keep what they share (users seen, tasks ended): a client or URL, or 'memory' for nowhere; "
        "by default the first client that is used.",
        state_redis,
        "WXIAI_OTEL_STATE_REDIS",
        secret=True,
    )
    state_prefix: str = setting(
        "wxiai_otel", "What the keys of state_redis begin with.", text, "WXIAI_OTEL_STATE_PREFIX"
    )
    strict: bool | None = setting(
        None,
        "Raise where a helper is given what is not allowed, else log it; by default only under pytest.",
        boolean,
        "WXIAI_OTEL_STRICT",
    )
    ai_services: tuple[str, ...] = setting(
        ("midjourney", "flux", "dreamwork", "jimeng", "kling"),
        "AI services that are labels; any other is 'other'.",
        names,
        "WXIAI_OTEL_AI_SERVICES",
    )
    task_secret: str = setting(
        "",
        "Signs the tokens of AI tasks; the same for all processes. Without it they carry a checksum only.",
        text,
        "WXIAI_OTEL_TASK_SECRET",
        secret=True,
    )
    task_timeout: float = setting(
        3600.0,
        "Seconds after which an AI task that has not ended is counted as failed.",
        positive_float,
        "WXIAI_OTEL_TASK_TIMEOUT",
    )

    users: bool = setting(True, "Count the users of requests as active.", boolean, "WXIAI_OTEL_USERS")
    time_zone: str = setting(
        "Asia/Shanghai", "Where the days and months of users begin.", time_zone, "WXIAI_OTEL_TIME_ZONE"
    )
    avg_user_credits: Any = setting(
        None, "Gives avg_user_credits: a callable, or SQL for one number.", question, "WXIAI_OTEL_AVG_USER_CREDITS"
    )
    daily_active_users: Any = setting(
        None,
        "Gives daily_active_users where the application knows better: a callable, or SQL for one number.",
        question,
        "WXIAI_OTEL_DAILY_ACTIVE_USERS",
    )
    monthly_active_users: Any = setting(
        None, "The same for monthly_active_users.", question, "WXIAI_OTEL_MONTHLY_ACTIVE_USERS"
    )
    gauge_engine: Any = setting(
        None, "The engine that SQL of these three is asked of; by default the first that is used.", engine
    )
    gauge_poll_interval: float = setting(
        30.0, "Seconds between two questions for these three.", positive_float, "WXIAI_OTEL_GAUGE_POLL_INTERVAL"
    )
    gauge_poll_timeout: float = setting(
        5.0, "Seconds that an answer may take.", positive_float, "WXIAI_OTEL_GAUGE_POLL_TIMEOUT"
    )
    gauge_keep: float = setting(
        300.0,
        "Seconds that the last good answer is shown while there is no newer one.",
        positive_float,
        "WXIAI_OTEL_GAUGE_KEEP",
    )

    security_event_types: tuple[str, ...] = setting(
        (),
        "Security events that are labels besides login_failure, login_failure_burst, api_abuse and suspicious_access.",
        names,
        "WXIAI_OTEL_SECURITY_EVENT_TYPES",
    )
    detection: bool = setting(True, "Look for abuse in requests and failed logins.", boolean, "WXIAI_OTEL_DETECTION")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Proxies (addresses or networks) whose X-Forwarded-For is believed.",
        networks,
        "WXIAI_OTEL_TRUSTED_PROXIES",
    )
    login_routes: tuple[str, ...] = setting(
        (
            "/login",
            "/api/login",
            "/api/v1/login",
            "/auth/login",
            "/api/v1/auth/login",
            "/api/v1/auths/signin",
            "/api/v1/login/access-token",
            "/auth/jwt/login",
            "/token",
            "/auth/token",
            "/api/auth/token",
            "/api/users/login",
        ),
        "Templates of routes where a POST that is answered 400, 401 or 403 is a failed login.",
        templates,
        "WXIAI_OTEL_LOGIN_ROUTES",
    )
    detection_window: float = setting(
        60.0, "Seconds over which requests of a client are counted.", positive_float, "WXIAI_OTEL_DETECTION_WINDOW"
    )
    abuse_requests: int = setting(
        1200, "Requests of a client in a window that are api_abuse.", positive_int, "WXIAI_OTEL_ABUSE_REQUESTS"
    )
    suspicious_refusals: int = setting(
        60,
        "403, 404 and 405 of a client in a window that are suspicious_access.",
        positive_int,
        "WXIAI_OTEL_SUSPICIOUS_REFUSALS",
    )
    suspicious_routes: int = setting(
        150,
        "Distinct routes of a client in a window that are suspicious_access.",
        positive_int,
        "WXIAI_OTEL_SUSPICIOUS_ROUTES",
    )
    login_window: float = setting(
        300.0, "Seconds over which failed logins are counted.", positive_float, "WXIAI_OTEL_LOGIN_WINDOW"
    )
    login_failures: int = setting(
        10,
        "Failed logins from an address, or against an account, in a window that are login_failure_burst.",
        positive_int,
        "WXIAI_OTEL_LOGIN_FAILURES",
    )
    detection_clients: int = setting(
        10_000, "Clients that are remembered at a time.", positive_int, "WXIAI_OTEL_DETECTION_CLIENTS"
    )

    metrics_token: str = setting(
        "", "Bearer token that <prefix>/metrics asks for.", text, "WXIAI_OTEL_METRICS_TOKEN", secret=True
    )
    stats_dependency: Callable[..., object] | None = setting(
        None,
        "FastAPI dependency that lets in who may see <prefix>/stats; by default a user with one of admin_roles.",
        function,
    )
    admin_roles: tuple[str, ...] = setting(
        ("admin",), "Roles that may see <prefix>/stats.", names, "WXIAI_OTEL_ADMIN_ROLES"
    )
    health_checks: Mapping[str, Any] | None = setting(
        None, "Further health checks by name: callables that raise, or return False, where something is wrong.", checks
    )
    ai_probes: Mapping[str, Any] | None = setting(
        None,
        "How AI services are probed, by name: an http(s):// or tcp://host:port URL, or a callable.",
        probes,
        secret=True,
    )
    health_interval: float = setting(
        10.0, "Seconds between two polls of the health checks.", positive_float, "WXIAI_OTEL_HEALTH_INTERVAL"
    )
    health_timeout: float = setting(
        2.0, "Seconds that a health check may take.", positive_float, "WXIAI_OTEL_HEALTH_TIMEOUT"
    )
    health_cache: float = setting(
        1.0, "Seconds for which <prefix>/health answers what it has found.", positive_float, "WXIAI_OTEL_HEALTH_CACHE"
    )
