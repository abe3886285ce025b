"""Every setting once, as data: name, environment variables, default, what is allowed.

An argument goes before the environment, the environment before the default. A value that is not allowed raises one
`SettingError` that names the setting, where the value came from, the value, and what is allowed.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from starlette.types import Scope

from ._parsers import (
    NotAllowed,
    Parser,
    boolean,
    checks,
    choice,
    engine,
    function,
    mapping,
    milliseconds,
    names,
    networks,
    path_prefix,
    paths,
    positive_float,
    positive_int,
    probes,
    question,
    redis_client,
    share,
    state_redis,
    text,
    time_zone,
    url,
)

User = tuple[object | None, str | None]
FindUser = Callable[[Scope], User | None]


class SettingError(ValueError):
    """A setting has a value that is not allowed, or there is no such setting."""


def setting(default: Any, doc: str, parse: Parser, *env: str, secret: bool = False) -> Any:
    """Declare one setting: its default, its documentation, its parser and the environment variables in their order."""
    metadata = {"doc": doc, "parse": parse, "env": env, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of `setup_telemetry`, each with its default."""

    disabled: bool = setting(
        False, "Instrument nothing; the endpoints still answer.", boolean, "WXIAI_OTEL_DISABLED", "OTEL_SDK_DISABLED"
    )
    service_name: str = setting("", "service.name; empty: the application's title.", text, "OTEL_SERVICE_NAME")
    service_version: str = setting(
        "", "service.version; empty: the application's version.", text, "WXIAI_OTEL_SERVICE_VERSION"
    )
    environment: str = setting("", "deployment.environment.name.", text, "WXIAI_OTEL_ENVIRONMENT")
    prefix: str = setting("/monitoring", "Where the endpoints are.", path_prefix, "WXIAI_OTEL_PREFIX")

    otlp_endpoint: str = setting(
        "",
        "OTLP base URL for traces and metrics; empty: nothing is sent.",
        url,
        "WXIAI_OTEL_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    otlp_protocol: str = setting(
        "http/protobuf",
        "OTLP's transport.",
        choice("http/protobuf", "grpc"),
        "WXIAI_OTEL_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    )
    traces_exporter: str = setting("otlp", "Where spans go.", choice("otlp", "console", "none"), "OTEL_TRACES_EXPORTER")
    metrics_exporter: str = setting(
        "otlp",
        "Where metrics go besides the embedded endpoint.",
        choice("otlp", "console", "none"),
        "OTEL_METRICS_EXPORTER",
    )
    metric_export_interval: float = setting(
        5.0,
        "Seconds between two exports of metrics (OTEL_METRIC_EXPORT_INTERVAL is in milliseconds).",
        positive_float,
        "WXIAI_OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_INTERVAL",
    )
    trust_parent_sampling: bool = setting(
        False,
        "Obey the sampled flag of an incoming traceparent; anyone can send one.",
        boolean,
        "WXIAI_OTEL_TRUST_PARENT_SAMPLING",
    )
    tail_sampling: str = setting(
        "process",
        "Who decides which traces are kept: this process, of its part of each; or the Collector, which is sent all "
        "spans.",
        choice("process", "collector"),
        "WXIAI_OTEL_TAIL_SAMPLING",
    )
    trace_share: float = setting(
        0.1,
        "Share of the traces that are kept though they are neither slow nor failed; the services called are told.",
        share,
        "WXIAI_OTEL_TRACE_SHARE",
    )
    slow_request_seconds: float = setting(
        1.0,
        "A request that takes longer is kept as a trace; of a stream the time to its first byte counts.",
        positive_float,
        "WXIAI_OTEL_SLOW_REQUEST_SECONDS",
    )
    trace_buffer_seconds: float = setting(
        30.0,
        "A request that is open longer is decided on then; what it does later follows the decision.",
        positive_float,
        "WXIAI_OTEL_TRACE_BUFFER_SECONDS",
    )
    trace_buffer_spans: int = setting(
        10_000,
        "Spans that wait for the decision at a time; where there are more, only the share is kept.",
        positive_int,
        "WXIAI_OTEL_TRACE_BUFFER_SPANS",
    )
    shutdown_timeout: float = setting(
        5.0, "Seconds that the last export may take.", positive_float, "WXIAI_OTEL_SHUTDOWN_TIMEOUT"
    )
    workers_folder: str = setting(
        "",
        "Folder in which the workers of a server answer scrapes for each other; by default one in the temporary "
        "folder; 'none': each for itself.",
        text,
        "WXIAI_OTEL_WORKERS_FOLDER",
    )
    max_series: int = setting(
        10_000,
        "Attribute sets for each instrument; what is beyond goes to one overflow series.",
        positive_int,
        "WXIAI_OTEL_MAX_SERIES",
    )

    http: bool = setting(True, "Instrument HTTP and WebSockets.", boolean, "WXIAI_OTEL_HTTP")
    http_engine: str = setting(
        "native",
        "Who makes the server span: this package, or opentelemetry-instrumentation-fastapi.",
        choice("native", "contrib"),
        "WXIAI_OTEL_HTTP_ENGINE",
    )
    excluded_paths: tuple[str, ...] = setting(
        (),
        "Paths without any telemetry, besides <prefix>/health and <prefix>/metrics; a trailing * matches what follows.",
        paths,
        "WXIAI_OTEL_EXCLUDED_PATHS",
    )
    stream_content_types: tuple[str, ...] = setting(
        ("text/event-stream", "application/x-ndjson"),
        "Responses of these content types are streams.",
        names,
        "WXIAI_OTEL_STREAM_CONTENT_TYPES",
    )
    known_methods: tuple[str, ...] = setting(
        ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"),
        "HTTP methods that are labels; any other is 'other'.",
        names,
        "WXIAI_OTEL_KNOWN_METHODS",
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    )
    roles: tuple[str, ...] = setting(
        ("admin", "user", "pending", "vip"),
        "Roles that are labels as they are; any other is 'other'.",
        names,
        "WXIAI_OTEL_ROLES",
    )
    find_user: FindUser | None = setting(
        None,
        "Finds (id, role) in an ASGI scope after the request; by default state.user with .id and .role.",
        function,
    )
    capture_query: bool = setting(
        False, "Put the query string on server spans (url.query).", boolean, "WXIAI_OTEL_CAPTURE_QUERY"
    )
    capture_user_agent: bool = setting(
        False, "Put the User-Agent header on server spans.", boolean, "WXIAI_OTEL_CAPTURE_USER_AGENT"
    )

    sql: bool = setting(True, "Instrument SQLAlchemy.", boolean, "WXIAI_OTEL_SQL")
    engines: Mapping[str, Any] | None = setting(
        None, "Engines by the name of their pool; others are named as they are found.", mapping
    )
    slow_query_seconds: float = setting(
        0.5, "A statement that takes longer is a slow query.", positive_float, "WXIAI_OTEL_SLOW_QUERY_SECONDS"
    )
    max_tables: int = setting(
        200, "Tables that are labels; any further one is 'other'.", positive_int, "WXIAI_OTEL_MAX_TABLES"
    )
    max_pools: int = setting(
        50, "Connection pools that are labels; any further one is not reported.", positive_int, "WXIAI_OTEL_MAX_POOLS"
    )

    redis: bool = setting(True, "Instrument redis-py.", boolean, "WXIAI_OTEL_REDIS")
    redis_client: Any = setting(
        None,
        "The client, or the URL, that INFO is asked of; by default the first client that is used.",
        redis_client,
        "WXIAI_OTEL_REDIS_URL",
    )
    redis_poll_interval: float = setting(
        10.0, "Seconds between two INFO.", positive_float, "WXIAI_OTEL_REDIS_POLL_INTERVAL"
    )
    redis_poll_timeout: float = setting(
        2.0, "Seconds that INFO may take.", positive_float, "WXIAI_OTEL_REDIS_POLL_TIMEOUT"
    )
    log_correlation: bool = setting(
        True, "Put trace and span ids on the records of logging.", boolean, "WXIAI_OTEL_LOG_CORRELATION"
    )

    state_redis: Any = setting(
        None,
        "Where all workers keep what they share (users seen, tasks ended): a client or URL, or 'memory' for nowhere; "
        "by default the first client that is used.",
        state_redis,
        "WXIAI_OTEL_STATE_REDIS",
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
            "/token",
        ),
        "Templates of routes where a POST that is answered 400, 401 or 403 is a failed login.",
        paths,
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
        None, "How AI services are probed, by name: an http(s):// or tcp://host:port URL, or a callable.", probes
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


# Standard variables that give a setting in another form than the setting's own.
_ENV_PARSERS: dict[str, Parser] = {"OTEL_METRIC_EXPORT_INTERVAL": milliseconds}


def load_settings(arguments: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from arguments and the environment.

    Parameters:
        arguments: Settings by name. ``None`` leaves a setting to the environment.
        environ: The environment; by default the process'.

    Raises:
        SettingError: A setting is unknown, or its value is not allowed.
    """
    environ = os.environ if environ is None else environ
    known = {item.name for item in fields(Settings)}
    for name in arguments:
        if name not in known:
            raise SettingError(f"there is no setting {name!r}; allowed are {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for item in fields(Settings):
        parse: Parser = item.metadata["parse"]
        if arguments.get(item.name) is not None:
            values[item.name] = _parse(item, f"argument {item.name}", parse, arguments[item.name])
            continue
        for variable in item.metadata["env"]:
            # An empty variable is an unset one: OpenTelemetry's rule for every environment variable.
            if raw := environ.get(variable, "").strip():
                values[item.name] = _parse(item, variable, _ENV_PARSERS.get(variable, parse), raw)
                break
    return Settings(**values)


def _parse(item: "Field[Any]", source: str, parse: Parser, value: object) -> object:
    try:
        return parse(value)
    except NotAllowed as allowed:
        shown = "a secret" if item.metadata["secret"] else repr(value)
        raise SettingError(f"setting {item.name}: {source} is {shown}; allowed is {allowed}") from None
