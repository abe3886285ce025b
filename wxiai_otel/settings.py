"""Every setting once, as data: name, environment variables, default, what is allowed.

An argument goes before the environment, the environment before the default. A value that is not allowed raises one
`SettingError` that names the setting, where the value came from, the value, and what is allowed.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from starlette.types import Scope

from ._parsers import (
    NotAllowed,
    Parser,
    boolean,
    choice,
    function,
    mapping,
    milliseconds,
    names,
    path_prefix,
    paths,
    positive_float,
    positive_int,
    redis_client,
    text,
    url,
)

User = tuple[object | None, str | None]
FindUser = Callable[[Scope], User | None]


class SettingError(ValueError):
    """A setting has a value that is not allowed, or there is no such setting."""


def setting(default: Any, doc: str, parse: Parser, *env: str) -> Any:
    """Declare one setting: its default, its documentation, its parser and the environment variables in their order."""
    return field(default=default, metadata={"doc": doc, "parse": parse, "env": env})


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
    shutdown_timeout: float = setting(
        5.0, "Seconds that the last export may take.", positive_float, "WXIAI_OTEL_SHUTDOWN_TIMEOUT"
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
            values[item.name] = _parse(item.name, f"argument {item.name}", parse, arguments[item.name])
            continue
        for variable in item.metadata["env"]:
            # An empty variable is an unset one: OpenTelemetry's rule for every environment variable.
            if raw := environ.get(variable, "").strip():
                values[item.name] = _parse(item.name, variable, _ENV_PARSERS.get(variable, parse), raw)
                break
    return Settings(**values)


def _parse(name: str, source: str, parse: Parser, value: object) -> object:
    try:
        return parse(value)
    except NotAllowed as allowed:
        raise SettingError(f"setting {name}: {source} is {value!r}; allowed is {allowed}") from None
