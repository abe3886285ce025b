"""HTTP: rate, errors and durations by endpoint and role; streams and WebSockets apart; the application's errors."""

from ._build import Board, Section
from ._panels import About, course, number, rows
from ._parts import BLUE, GREEN, ORANGE, RED, quantile, top

_REQUESTS = "rate(http_requests_total{@}[$__rate_interval])"
_FAILED = 'rate(http_requests_total{@,status_code=~"5.."}[$__rate_interval])'
_BUCKETS = "rate(http_request_duration_seconds_bucket{@}[$__rate_interval])"
_ERROR_SHARE = f"(sum({_FAILED}) or 0 * sum({_REQUESTS})) / (sum({_REQUESTS}) > 0)"
_ERROR_LEVELS = ((None, GREEN), (0.01, ORANGE), (0.05, RED))
_SLOW_LEVELS = ((None, GREEN), (1, ORANGE), (2, RED))

_NOW = Section(
    None,
    [
        number(
            About(
                "请求速率",
                "每秒完成的请求，流式响应包括在内。",
                "Requests finished per second, streams included.",
                width=6,
                height=5,
            ),
            [("", f"sum({_REQUESTS})")],
            "reqps",
            decimals=1,
        ),
        number(
            About(
                "错误率",
                "状态码 5xx 的请求所占比例。超过 5% 会告警。",
                "The share of requests answered 5xx. Above 5 % it alerts.",
                see="wxiai-slo",
                alerts=["HighErrorRate", "HighErrorRateFast"],
                width=6,
                height=5,
            ),
            [("", _ERROR_SHARE)],
            "percentunit",
            _ERROR_LEVELS,
            decimals=2,
            empty="无请求",
        ),
        number(
            About(
                "响应时间 p95",
                "95% 的请求比它快，流式响应除外。",
                "95 % of the requests are faster, streams apart.",
                alerts=["SlowResponseTime"],
                width=6,
                height=5,
            ),
            [("", quantile(0.95, _BUCKETS))],
            "s",
            _SLOW_LEVELS,
            empty="无请求",
        ),
        number(
            About(
                "并发请求",
                "正在处理的请求，流式响应到最后一个字节为止。",
                "Requests in flight, streams until their last byte.",
                width=6,
                height=5,
            ),
            [("", "sum(http_concurrent_connections{@})")],
            decimals=0,
        ),
    ],
)

_COURSE = Section(
    "请求 Requests",
    [
        course(
            About(
                "请求速率（按状态）",
                "每秒请求数，按状态码类别。",
                "Requests per second, by class of status.",
                alerts=["HighErrorRate"],
                width=8,
            ),
            [
                (
                    "{{class}}",
                    f'sum by (class) (label_replace({_REQUESTS}, "class", "${{1}}xx", "status_code", "(.).."))',
                )
            ],
            "reqps",
            stacked=True,
        ),
        course(
            About(
                "错误率趋势",
                "5xx 所占比例；虚线是告警的 5%。",
                "The share of 5xx; the dashed line is where it alerts.",
                alerts=["HighErrorRate"],
                width=8,
            ),
            [("5xx", _ERROR_SHARE)],
            "percentunit",
            ((None, GREEN), (0.05, RED)),
        ),
        course(
            About(
                "响应时间",
                "全部接口的 p50、p95 与 p99，流式响应除外。圆点可打开链路。",
                "All endpoints, streams apart. The dots lead to traces.",
                alerts=["SlowResponseTime", "LatencyBurnRate"],
                width=8,
            ),
            [(f"p{share}", quantile(share / 100, _BUCKETS)) for share in (50, 95, 99)],
            "s",
            ((None, GREEN), (2, RED)),
            exemplars=True,
        ),
        course(
            About(
                "最慢的接口 p95",
                "p95 最大的 8 个接口。圆点可打开链路。",
                "The 8 endpoints with the largest p95. The dots lead to traces.",
                alerts=["SlowResponseTime"],
            ),
            [
                (
                    "{{endpoint}}",
                    top(
                        8,
                        "endpoint",
                        quantile(0.95, "rate(http_request_duration_seconds_bucket{@}[WINDOW])", "endpoint"),
                    ),
                )
            ],
            "s",
            exemplars=True,
        ),
        course(
            About(
                "请求最多的接口", "每秒请求数最多的 8 个接口。", "The 8 endpoints with the most requests per second."
            ),
            [("{{endpoint}}", top(8, "endpoint", "sum by (endpoint) (rate(http_requests_total{@}[WINDOW]))"))],
            "reqps",
        ),
        rows(
            About(
                "接口一览",
                "所选时间内请求最多的 20 个接口：次数、5xx 比例、p95。流式接口没有 p95。",
                "The 20 endpoints with most requests in the time shown: count, share of 5xx, p95. Streams have no p95.",
                alerts=["HighErrorRate", "SlowResponseTime"],
                width=16,
                height=11,
            ),
            {"method": "方法", "endpoint": "接口"},
            [
                (
                    "次数",
                    "topk(20, sum by (method, endpoint) (increase(http_requests_total{@}[$__range])))",
                    "short",
                    ((None, BLUE),),
                ),
                (
                    "错误率",
                    (
                        '(sum by (method, endpoint) (increase(http_requests_total{@,status_code=~"5.."}[$__range]))'
                        " or 0 * sum by (method, endpoint) (increase(http_requests_total{@}[$__range])))"
                        " / (sum by (method, endpoint) (increase(http_requests_total{@}[$__range])) > 0)"
                        " and topk(20, sum by (method, endpoint) (increase(http_requests_total{@}[$__range])))"
                    ),
                    "percentunit",
                    _ERROR_LEVELS,
                ),
                (
                    "p95",
                    (
                        quantile(
                            0.95, "increase(http_request_duration_seconds_bucket{@}[$__range])", "method", "endpoint"
                        )
                        + " and topk(20, sum by (method, endpoint) (increase(http_requests_total{@}[$__range])))"
                    ),
                    "s",
                    _SLOW_LEVELS,
                ),
            ],
        ),
        course(
            About(
                "请求速率（按角色）",
                "每秒请求数，按用户角色；anonymous 是没有登录的。",
                "Requests per second, by the user's role.",
                width=8,
                height=11,
            ),
            [("{{user_role}}", f"sum by (user_role) ({_REQUESTS})")],
            "reqps",
            stacked=True,
        ),
        course(
            About(
                "错误（按接口）",
                "每秒 5xx 最多的 8 个接口。",
                "The 8 endpoints with the most 5xx per second.",
                alerts=["HighErrorRate"],
            ),
            [
                (
                    "{{endpoint}} {{status_code}}",
                    top(
                        8,
                        "endpoint, status_code",
                        'sum by (endpoint, status_code) (rate(http_requests_total{@,status_code=~"5.."}[WINDOW]))',
                    ),
                )
            ],
            "reqps",
        ),
        course(
            About(
                "错误（按角色）",
                "各角色的请求中 4xx 与 5xx 所占比例。",
                "Of each role's requests, the share of 4xx and 5xx.",
            ),
            [
                (
                    "{{user_role}}",
                    (
                        'sum by (user_role) (rate(http_requests_total{@,status_code=~"[45].."}[$__rate_interval]))'
                        f" / (sum by (user_role) ({_REQUESTS}) > 0)"
                    ),
                )
            ],
            "percentunit",
        ),
    ],
)

_STREAMS = Section(
    "流式响应与 WebSocket Streams and WebSockets",
    [
        course(
            About(
                "首字节时间",
                "流式响应（如聊天）到第一个字节的时间。圆点可打开链路。",
                "Until the first byte of a stream, a chat for example. The dots lead to traces.",
                width=8,
            ),
            [
                (
                    f"p{share}",
                    quantile(share / 100, "rate(http_stream_first_byte_seconds_bucket{@}[$__rate_interval])"),
                )
                for share in (50, 95)
            ],
            "s",
            exemplars=True,
        ),
        course(
            About("流的时长 p95", "流式响应从开始到结束，按接口。", "From begin to end, by endpoint.", width=8),
            [
                (
                    "{{endpoint}}",
                    top(
                        8,
                        "endpoint",
                        quantile(0.95, "rate(http_stream_duration_seconds_bucket{@}[WINDOW])", "endpoint"),
                    ),
                )
            ],
            "s",
        ),
        course(
            About(
                "流的结局", "每分钟结束的流：完成、客户端离开或出错。", "Streams ended per minute, by outcome.", width=8
            ),
            [("{{outcome}}", "60 * sum by (outcome) (rate(http_stream_duration_seconds_count{@}[$__rate_interval]))")],
            "opm",
            stacked=True,
        ),
        course(
            About("WebSocket 连接", "打开的 WebSocket 连接。", "Open WebSocket connections."),
            [("连接", "sum(websocket_connections{@})")],
            decimals=0,
        ),
        course(
            About(
                "WebSocket 结局",
                "每分钟结束的 WebSocket：完成、客户端离开或出错。",
                "WebSockets ended per minute, by outcome.",
            ),
            [("{{outcome}}", "60 * sum by (outcome) (rate(websocket_duration_seconds_count{@}[$__rate_interval]))")],
            "opm",
            stacked=True,
        ),
    ],
)

_ERRORS = Section(
    "应用错误 Application errors",
    [
        course(
            About(
                "错误（按组件）",
                "每分钟的错误，次数最多的 8 个组件。",
                "Errors per minute, the 8 components with most.",
            ),
            [
                (
                    "{{component}}",
                    top(8, "component", "60 * sum by (component) (rate(application_errors_total{@}[WINDOW]))"),
                )
            ],
            "opm",
            stacked=True,
        ),
        rows(
            About("错误一览", "所选时间内次数最多的错误。", "The most frequent errors of the time shown."),
            {"component": "组件", "error_type": "错误类型"},
            [
                (
                    "次数",
                    "topk(15, sum by (component, error_type) (increase(application_errors_total{@}[$__range])) > 0)",
                    "short",
                    ((None, ORANGE),),
                )
            ],
            empty="没有错误",
        ),
    ],
)

BOARD = Board(
    "wxiai-http",
    "接口的流量、错误与响应时间。",
    "The endpoints' traffic, errors and durations.",
    [_NOW, _COURSE, _STREAMS, _ERRORS],
)
