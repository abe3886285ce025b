"""Cache: hits, operations, durations and memory of Redis."""

from ._build import Board, Section
from ._panels import About, course, number, pie
from ._parts import GREEN, ORANGE, RED, quantile

_READS = 'rate(cache_operations_total{@,result=~"hit|miss"}[$__rate_interval])'
_HITS = 'rate(cache_operations_total{@,result="hit"}[$__rate_interval])'
_HIT_RATE = f"(sum({_HITS}) or 0 * sum({_READS})) / (sum({_READS}) > 0)"
_OPERATIONS = "rate(cache_operations_total{@}[$__rate_interval])"
_ERRORS = 'rate(cache_operations_total{@,result="error"}[$__rate_interval])'
_BUCKETS = "rate(cache_operation_duration_seconds_bucket{@}[$__rate_interval])"
_HIT_LEVELS = ((None, RED), (0.6, ORANGE), (0.8, GREEN))
_MEMORY_LEVELS = ((None, GREEN), (0.7, ORANGE), (0.85, RED))
_MEMORY_ALERTS = ["RedisHighMemoryUsage", "RedisMemoryForecast"]

_NOW = Section(
    None,
    [
        number(
            About(
                "命中率",
                "读缓存时命中的比例；没有读取时没有数据。",
                "The share of reads that hit; nothing where nothing was read.",
                alerts=["LowCacheHitRate"],
                width=6,
                height=5,
            ),
            [("", _HIT_RATE)],
            "percentunit",
            _HIT_LEVELS,
            decimals=1,
            empty="无读取",
        ),
        number(
            About(
                "操作速率",
                "每秒操作，读取按键计数。",
                "Operations per second; reads are counted by key.",
                width=6,
                height=5,
            ),
            [("", f"sum({_OPERATIONS})")],
            "ops",
            decimals=1,
        ),
        number(
            About(
                "错误率",
                "出错的操作所占比例。",
                "The share of operations that raised an error.",
                see="wxiai-http",
                width=6,
                height=5,
            ),
            [("", f"(sum({_ERRORS}) or 0 * sum({_OPERATIONS})) / (sum({_OPERATIONS}) > 0)")],
            "percentunit",
            ((None, GREEN), (0.001, ORANGE), (0.01, RED)),
            decimals=2,
        ),
        number(
            About(
                "内存使用率",
                "已用内存占 maxmemory 的比例；没有设 maxmemory 时占机器内存的比例。",
                "Memory used of maxmemory, or of the machine's where there is no maxmemory.",
                alerts=_MEMORY_ALERTS,
                width=6,
                height=5,
            ),
            [("", "max(redis_memory_usage_ratio{@})")],
            "percentunit",
            _MEMORY_LEVELS,
            decimals=2,
        ),
    ],
)

_COURSE = Section(
    "操作 Operations",
    [
        course(
            About(
                "命中率趋势",
                "虚线是告警的 80%。",
                "The dashed line is where it alerts.",
                alerts=["LowCacheHitRate"],
                width=8,
            ),
            [("命中率", _HIT_RATE)],
            "percentunit",
            ((None, RED), (0.8, GREEN)),
            top=1,
        ),
        course(
            About("操作结果", "每秒操作，按结果。", "Operations per second, by result.", width=8),
            [("{{result}}", f"sum by (result) ({_OPERATIONS})")],
            "ops",
            stacked=True,
        ),
        pie(
            About("操作构成", "所选时间内各类操作的次数。", "Operations of the time shown, by kind.", width=8),
            [("{{operation}}", "sum by (operation) (increase(cache_operations_total{@}[$__range])) > 0")],
        ),
        course(
            About(
                "操作耗时",
                "一次往返的 p50、p95 与 p99；阻塞命令除外。圆点可打开链路。",
                "A round trip; blocking commands apart. The dots lead to traces.",
            ),
            [(f"p{share}", quantile(share / 100, _BUCKETS)) for share in (50, 95, 99)],
            "s",
            exemplars=True,
        ),
        course(
            About(
                "操作耗时 p95（按操作）",
                "流水线算一次往返，记为 other。",
                "A pipeline is one round trip, of the operation other.",
            ),
            [("{{operation}}", quantile(0.95, _BUCKETS, "operation"))],
            "s",
        ),
    ],
)

_MEMORY = Section(
    "内存 Memory",
    [
        course(
            About("已用内存", "Redis 的 used_memory。", "Redis' used_memory.", alerts=_MEMORY_ALERTS),
            [("used_memory", "max(cache_size_bytes{@})")],
            "bytes",
        ),
        course(
            About("内存使用率趋势", "虚线是告警的 85%。", "The dashed line is where it alerts.", alerts=_MEMORY_ALERTS),
            [("使用率", "max(redis_memory_usage_ratio{@})")],
            "percentunit",
            ((None, GREEN), (0.85, RED)),
        ),
    ],
)

BOARD = Board(
    "wxiai-cache", "Redis 的命中、耗时与内存。", "Redis: hits, durations and memory.", [_NOW, _COURSE, _MEMORY]
)
