"""Database: statements by table, slow ones, pools, deadlocks."""

from ._build import Board, Section
from ._panels import About, bars, course, number, rows
from ._parts import BLUE, GREEN, ORANGE, RED, quantile, short_instance, top

_RATE = "rate(db_query_duration_seconds_count{@}[$__rate_interval])"
_BUCKETS = "rate(db_query_duration_seconds_bucket{@}[$__rate_interval])"
_USED = "db_connection_pool_usage{@} / (db_connection_pool_size{@} > 0)"
_POOL_ALERTS = [
    "DatabaseConnectionPoolExhausted",
    "DatabaseConnectionPoolExhaustedFast",
    "DatabaseConnectionPoolForecast",
]
_POOL_LEVELS = ((None, GREEN), (0.7, ORANGE), (0.9, RED))

_NOW = Section(
    None,
    [
        number(
            About("查询速率", "每秒执行的 SQL 语句。", "SQL statements per second.", width=6, height=5),
            [("", f"sum({_RATE})")],
            "ops",
            decimals=1,
        ),
        number(
            About("查询耗时 p95", "95% 的语句比它快。", "95 % of the statements are faster.", width=6, height=5),
            [("", quantile(0.95, _BUCKETS))],
            "s",
            ((None, GREEN), (0.1, ORANGE), (0.5, RED)),
            empty="无查询",
        ),
        number(
            About(
                "连接池使用率（最高）",
                "各进程各连接池中使用率最高的一个。超过 90% 时请求开始排队。",
                "The fullest pool of any process. Above 90 % requests begin to wait.",
                alerts=_POOL_ALERTS,
                width=6,
                height=5,
            ),
            [("", f"max({_USED})")],
            "percentunit",
            _POOL_LEVELS,
            decimals=0,
        ),
        number(
            About(
                "死锁（1 小时）",
                "最近 1 小时的死锁，按驱动的错误码。",
                "Deadlocks within the last hour, by the driver's codes.",
                width=6,
                height=5,
            ),
            [("", "sum(increase(db_deadlocks_total{@}[1h]))")],
            levels=((None, GREEN), (0.5, RED)),
            decimals=0,
        ),
    ],
)

_QUERIES = Section(
    "查询 Queries",
    [
        course(
            About("查询速率（按表）", "每秒语句最多的 8 个表。", "The 8 tables with the most statements per second."),
            [("{{table}}", top(8, "table", "sum by (table) (rate(db_query_duration_seconds_count{@}[WINDOW]))"))],
            "ops",
            stacked=True,
        ),
        course(
            About(
                "查询耗时 p95（按表）",
                "p95 最大的 8 个表。圆点可打开链路。",
                "The 8 tables with the largest p95. The dots lead to traces.",
            ),
            [
                (
                    "{{table}}",
                    top(8, "table", quantile(0.95, "rate(db_query_duration_seconds_bucket{@}[WINDOW])", "table")),
                )
            ],
            "s",
            exemplars=True,
        ),
        course(
            About(
                "查询速率（按操作）",
                "每秒语句，按 SELECT、INSERT 等。",
                "Statements per second, by operation.",
                width=8,
            ),
            [
                (
                    "{{operation}}",
                    top(8, "operation", "sum by (operation) (rate(db_query_duration_seconds_count{@}[WINDOW]))"),
                )
            ],
            "ops",
        ),
        course(
            About(
                "慢查询",
                "每分钟慢于阈值（默认 0.5 秒）的语句，按表。",
                "Statements per minute slower than the threshold, by table.",
                width=8,
            ),
            [
                (
                    "{{table}} {{operation}}",
                    top(
                        8, "table, operation", "60 * sum by (table, operation) (rate(db_slow_queries_total{@}[WINDOW]))"
                    ),
                )
            ],
            "opm",
        ),
        rows(
            About(
                "最耗时的查询",
                "所选时间内总耗时最多的表与操作。",
                "The tables and operations that took the most time in all.",
                width=8,
            ),
            {"table": "表", "operation": "操作"},
            [
                (
                    "总耗时",
                    "topk(10, sum by (table, operation) (increase(db_query_duration_seconds_sum{@}[$__range])))",
                    "s",
                    ((None, BLUE),),
                )
            ],
        ),
    ],
)

_POOLS = Section(
    "连接池与死锁 Pools and deadlocks",
    [
        bars(
            About(
                "连接池使用率",
                "每个进程的每个连接池：已借出的连接占上限的比例，最高的 12 个。",
                "Each process's each pool: connections checked out of those it can give, the fullest 12.",
                alerts=_POOL_ALERTS,
                width=8,
            ),
            [("{{pool}} · {{worker}}", f"topk(12, {short_instance(_USED)})")],
            "percentunit",
            _POOL_LEVELS,
            decimals=0,
            top=1,
            empty="没有有上限的连接池",
        ),
        course(
            About(
                "使用中的连接",
                "每个进程的每个连接池借出的连接，最多的 8 个。",
                "Connections checked out, each process and pool, the 8 with most.",
                alerts=_POOL_ALERTS,
                width=8,
            ),
            [
                (
                    "{{pool}} · {{worker}}",
                    f"{short_instance('db_connection_pool_usage{@}')} and on (pool, job, instance) topk(8, max_over_time(db_connection_pool_usage{{@}}[$__range] @ end()))",
                )
            ],
            decimals=0,
        ),
        course(
            About("死锁", "每次查询间隔内的死锁，按连接池。", "Deadlocks, by pool.", width=8),
            [("{{pool}}", "sum by (pool) (increase(db_deadlocks_total{@}[$__rate_interval]))")],
            bars=True,
            decimals=0,
        ),
    ],
)

BOARD = Board(
    "wxiai-database", "SQL 语句、连接池与死锁。", "SQL statements, pools and deadlocks.", [_NOW, _QUERIES, _POOLS]
)
