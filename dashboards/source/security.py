"""Security: events, failed logins, abuse and scanning, refused requests."""

from ._build import Board, Section
from ._panels import About, course, number, rows
from ._parts import GREEN, ORANGE, RED, top

_EVENTS = "security_events_total{@}"


def _events(event_type: str, window: str) -> str:
    return f'sum(increase(security_events_total{{@,event_type="{event_type}"}}[{window}])) or vector(0)'


_NOW = Section(
    None,
    [
        number(
            About(
                "接口滥用（5 分钟）",
                "最近 5 分钟请求次数超限的客户端。",
                "Clients that made too many requests within the last 5 minutes.",
                alerts=["APIAbuseDetected"],
                width=6,
                height=5,
            ),
            [("", _events("api_abuse", "5m"))],
            levels=((None, GREEN), (0.5, RED)),
            decimals=0,
        ),
        number(
            About(
                "可疑访问（5 分钟）",
                "最近 5 分钟像在扫描的客户端。",
                "Clients that looked like scanning within the last 5 minutes.",
                width=6,
                height=5,
            ),
            [("", _events("suspicious_access", "5m"))],
            levels=((None, GREEN), (0.5, ORANGE), (5, RED)),
            decimals=0,
        ),
        number(
            About(
                "登录失败爆发（1 小时）",
                "最近 1 小时的密码猜测：来自一个地址或针对一个账号。",
                "Guessing of passwords within the last hour, from one address or against one account.",
                alerts=["HighLoginFailureRate"],
                width=6,
                height=5,
            ),
            [("", _events("login_failure_burst", "1h"))],
            levels=((None, GREEN), (0.5, ORANGE), (5, RED)),
            decimals=0,
        ),
        number(
            About(
                "登录失败速率",
                "每秒失败的登录。超过 10 会告警。",
                "Failed logins per second. Above 10 it alerts.",
                alerts=["HighLoginFailureRate"],
                width=6,
                height=5,
            ),
            [("", "sum(rate(login_failures_total{@}[$__rate_interval]))")],
            "ops",
            ((None, GREEN), (1, ORANGE), (10, RED)),
            decimals=2,
        ),
    ],
)

_COURSE = Section(
    "事件 Events",
    [
        course(
            About(
                "安全事件（按类型）",
                "每次查询间隔内的事件。",
                "Events, by type.",
                alerts=["APIAbuseDetected", "HighLoginFailureRate"],
            ),
            [("{{event_type}}", top(8, "event_type", f"sum by (event_type) (increase({_EVENTS}[WINDOW]))"))],
            bars=True,
            stacked=True,
            decimals=0,
        ),
        course(
            About("安全事件（按严重程度）", "每次查询间隔内的事件。", "Events, by severity."),
            [("{{severity}}", f"sum by (severity) (increase({_EVENTS}[$__rate_interval]))")],
            bars=True,
            stacked=True,
            decimals=0,
        ),
        course(
            About(
                "登录失败（按原因）",
                "每分钟失败的登录。",
                "Failed logins per minute, by reason.",
                alerts=["HighLoginFailureRate"],
                width=8,
            ),
            [("{{reason}}", top(8, "reason", "60 * sum by (reason) (rate(login_failures_total{@}[WINDOW]))"))],
            "opm",
            stacked=True,
        ),
        course(
            About(
                "被拒绝的请求",
                "每秒状态码为 401、403、404、405、429 的请求。",
                "Requests per second that were answered 401, 403, 404, 405 or 429.",
                see="wxiai-http",
                width=8,
            ),
            [
                (
                    "{{status_code}}",
                    'sum by (status_code) (rate(http_requests_total{@,status_code=~"401|403|404|405|429"}[$__rate_interval]))',
                )
            ],
            "reqps",
            stacked=True,
        ),
        rows(
            About("事件一览（24 小时）", "最近 24 小时的安全事件。", "Security events of the last 24 hours.", width=8),
            {"event_type": "类型", "severity": "严重程度"},
            [
                (
                    "次数",
                    f"topk(20, sum by (event_type, severity) (increase({_EVENTS}[1d])) > 0)",
                    "short",
                    ((None, ORANGE),),
                )
            ],
            empty="没有事件",
        ),
    ],
)

BOARD = Board(
    "wxiai-security", "安全事件、登录失败与滥用。", "Security events, failed logins and abuse.", [_NOW, _COURSE]
)
