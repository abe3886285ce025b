"""HTTP, database, cache and system: what the SDK records by itself."""

from ._model import Across, Attribute, Instrument, Kind, Metric, one

STREAM_MARK = "wxiai_otel.stream"

_METHOD = Attribute("http.request.method", "method", rename=(("_OTHER", "other"),))
_ROUTE = Attribute("http.route", "endpoint", absent="unmatched")
_STATUS = Attribute("http.response.status_code", "status_code")
_ROLE = Attribute("user.role", "user_role", absent="anonymous")
_OUTCOME = Attribute("outcome", "outcome", values=("completed", "client_disconnect", "error"))
_TABLE = Attribute("db.collection.name", "table")
_DB_OPERATION = Attribute("db.operation.name", "operation")
_POOL = Attribute("pool", "pool")
_CACHE_OPERATION = Attribute("operation", "operation", absent="other", values=("get", "set", "delete", "other"))

_REQUEST_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FIRST_BYTE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LIFETIME_BUCKETS = (0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_QUERY_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
_CACHE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)

SYSTEM: tuple[Instrument, ...] = (
    Instrument(
        "http.server.request.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of HTTP server requests, until the last byte of the response.",
        (
            _METHOD,
            _ROUTE,
            _STATUS,
            _ROLE,
            Attribute("url.scheme", limit=10),
            Attribute("error.type"),
            Attribute(STREAM_MARK),
        ),
        (
            Metric("http_requests_total", "counter", ("method", "endpoint", "status_code", "user_role"), of_count=True),
            Metric("http_request_duration_seconds", "histogram", ("method", "endpoint"), unless=STREAM_MARK),
        ),
        _REQUEST_BUCKETS,
    ),
    one(
        "http.server.active_requests",
        Kind.UP_DOWN_COUNTER,
        "{request}",
        "HTTP requests in flight, streams until their last byte.",
        "http_concurrent_connections",
    ),
    one(
        "http.stream.first_byte",
        Kind.HISTOGRAM,
        "s",
        "Time to the first byte of a streamed response's body.",
        "http_stream_first_byte_seconds",
        (_METHOD, _ROUTE),
        _FIRST_BYTE_BUCKETS,
    ),
    one(
        "http.stream.duration",
        Kind.HISTOGRAM,
        "s",
        "Lifetime of streamed responses.",
        "http_stream_duration_seconds",
        (_METHOD, _ROUTE, _OUTCOME),
        _LIFETIME_BUCKETS,
    ),
    one(
        "websocket.connections",
        Kind.UP_DOWN_COUNTER,
        "{connection}",
        "Open WebSocket connections.",
        "websocket_connections",
    ),
    one(
        "websocket.duration",
        Kind.HISTOGRAM,
        "s",
        "Lifetime of WebSocket connections.",
        "websocket_duration_seconds",
        (_ROUTE, _OUTCOME),
        _LIFETIME_BUCKETS,
    ),
    one(
        "db.client.operation.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of SQL statements, by first table and operation.",
        "db_query_duration_seconds",
        (_TABLE, _DB_OPERATION, Attribute("db.system.name"), Attribute("error.type")),
        _QUERY_BUCKETS,
    ),
    one(
        "db.connection_pool.size",
        Kind.GAUGE,
        "{connection}",
        "Connections that the pool can give out: size + max_overflow.",
        "db_connection_pool_size",
        (_POOL,),
        across=Across.EACH,
    ),
    one(
        "db.connection_pool.usage",
        Kind.GAUGE,
        "{connection}",
        "Connections checked out of the pool.",
        "db_connection_pool_usage",
        (_POOL,),
        across=Across.EACH,
    ),
    one(
        "db.slow_queries",
        Kind.COUNTER,
        "{query}",
        "SQL statements slower than the setting slow_query_seconds.",
        "db_slow_queries_total",
        (Attribute("table", "table"), Attribute("operation", "operation")),
    ),
    one(
        "db.deadlocks",
        Kind.COUNTER,
        "{deadlock}",
        "Deadlocks, by the driver's own error codes.",
        "db_deadlocks_total",
        (_POOL,),
    ),
    one(
        "cache.operations",
        Kind.COUNTER,
        "{operation}",
        "Redis operations: one per key read, one per command otherwise.",
        "cache_operations_total",
        (_CACHE_OPERATION, Attribute("result", "result", values=("hit", "miss", "success", "error"))),
    ),
    one(
        "cache.operation.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of Redis round trips; blocking commands are left out.",
        "cache_operation_duration_seconds",
        (_CACHE_OPERATION,),
        _CACHE_BUCKETS,
    ),
    one("cache.size", Kind.GAUGE, "By", "Memory that Redis uses (INFO used_memory).", "cache_size_bytes"),
    one(
        "redis.memory.usage",
        Kind.GAUGE,
        "1",
        "used_memory / maxmemory; where maxmemory is 0, / total_system_memory.",
        "redis_memory_usage_ratio",
    ),
    one(
        "health_check.status",
        Kind.GAUGE,
        "",
        "1 where the health check passes, else 0.",
        "health_check_status",
        (Attribute("check", "check", limit=100),),
        across=Across.MIN,
    ),
    one(
        "system.info",
        Kind.GAUGE,
        "",
        "Always 1; the labels say what runs.",
        "system_info",
        (
            Attribute("version", "version"),
            Attribute("environment", "environment"),
            Attribute("python_version", "python_version"),
            Attribute("service_name", "service_name"),
        ),
    ),
    one(
        "application.errors",
        Kind.COUNTER,
        "{error}",
        "Errors by exception class and component.",
        "application_errors_total",
        (Attribute("error.type", "error_type", limit=200), Attribute("component", "component", limit=100)),
    ),
)
