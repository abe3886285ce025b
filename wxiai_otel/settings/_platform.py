"""What is recorded by itself: the process, traces, HTTP, SQL, Redis and logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._parsers import (
    Choice,
    boolean,
    function,
    mapping,
    names,
    path_prefix,
    paths,
    positive_float,
    positive_int,
    redis_client,
    share,
    text,
    url,
)
from ._declare import FindUser, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """The settings of what is recorded by itself."""

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
        "OTLP base URL for traces, metrics and log records; empty: nothing is sent.",
        url,
        "WXIAI_OTEL_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    otlp_protocol: str = setting(
        "http/protobuf",
        "OTLP's transport.",
        Choice("http/protobuf", "grpc"),
        "WXIAI_OTEL_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    )
    traces_exporter: str = setting("otlp", "Where spans go.", Choice("otlp", "console", "none"), "OTEL_TRACES_EXPORTER")
    metrics_exporter: str = setting(
        "otlp",
        "Where metrics go besides the embedded endpoint.",
        Choice("otlp", "console", "none"),
        "OTEL_METRICS_EXPORTER",
    )
    logs_exporter: str = setting(
        "none",
        "Where the records of logging go besides the application's own handlers.",
        Choice("otlp", "console", "none"),
        "OTEL_LOGS_EXPORTER",
    )
    log_attributes: tuple[str, ...] = setting(
        (),
        "What of the extra of a log record is sent with it: names, whose values are texts, numbers or booleans.",
        names,
        "WXIAI_OTEL_LOG_ATTRIBUTES",
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
        Choice("process", "collector"),
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
        4.5, "Seconds that the last export may take.", positive_float, "WXIAI_OTEL_SHUTDOWN_TIMEOUT"
    )
    workers_folder: str = setting(
        "",
        "Directory in which the workers of a server share their counts; by default a private one in /dev/shm; "
        "'none': each worker answers scrapes for itself.",
        text,
        "WXIAI_OTEL_WORKERS_FOLDER",
    )
    max_series: int = setting(
        10_000,
        "Attribute sets for each instrument; what is beyond goes to one overflow series.",
        positive_int,
        "WXIAI_OTEL_MAX_SERIES",
    )

    prometheus_client: bool = setting(
        True,
        "Show at <prefix>/metrics also what the application has in prometheus_client's default registry.",
        boolean,
        "WXIAI_OTEL_PROMETHEUS_CLIENT",
    )

    http: bool = setting(True, "Instrument HTTP and WebSockets.", boolean, "WXIAI_OTEL_HTTP")
    http_engine: str = setting(
        "native",
        "Who makes the server span: this package, or opentelemetry-instrumentation-fastapi.",
        Choice("native", "contrib"),
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
        secret=True,
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
