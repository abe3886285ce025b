"""WXIAI 业务监控仪表板: the specified panels first, then users, AI tasks, credits and payments."""

from ._build import Board, Section
from ._panels import About, bars, course, heat, number, pie, rows
from ._parts import BLUE, GREEN, ORANGE, PURPLE, RED, quantile, top

_ENDED = 'ai_tasks_total{@,service=~"$service",status=~"success|failed"}'
_SUCCESS = 'ai_tasks_total{@,service=~"$service",status="success"}'
_FAILED = 'ai_tasks_total{@,service=~"$service",status="failed"}'
_SHARE_IS_GOOD = ((None, RED), (0.8, ORANGE), (0.95, GREEN))

_SPECIFIED = Section(
    None,
    [
        number(
            About(
                "实时用户活跃",
                "最近 5 分钟内有请求的不同用户数；多个进程报告同一个数，取最大值。与平时相差很大时查看登录与接口错误。",
                "Distinct users seen in the last 5 minutes. Every worker reports the same fact, so the largest is shown.",
                see="wxiai-http",
                alerts=["UnusualUserActivity"],
                width=6,
            ),
            [("", "max(active_users_current{@})")],
            decimals=0,
        ),
        number(
            About(
                "AI任务成功率",
                "最近 1 小时结束的任务中成功的比例；进行中的不计。低于 95% 变黄，低于 80% 变红。",
                "Of the tasks that ended within the last hour, the share that succeeded; pending ones are not counted.",
                see="wxiai-slo",
                alerts=["AIServiceHighFailureRate", "AIServiceHighFailureRateFast"],
                width=6,
            ),
            [("", f"sum(increase({_SUCCESS}[1h])) / (sum(increase({_ENDED}[1h])) > 0)")],
            "percentunit",
            _SHARE_IS_GOOD,
            decimals=1,
            empty="无任务",
        ),
        pie(
            About(
                "各AI服务使用量",
                "最近 1 小时各 AI 服务提交的任务数。",
                "Tasks submitted to each AI service within the last hour, each counted once.",
            ),
            [("{{service}}", 'sum by (service) (increase(ai_tasks_submitted_total{@,service=~"$service"}[1h])) > 0')],
        ),
        course(
            About(
                "API响应时间趋势",
                "全部接口的 p95 和 p50，流式响应除外。圆点是被采样的请求，点击可打开它的链路。",
                "p95 and p50 of all endpoints, streams apart. Each dot is a request with a trace: click it.",
                see="wxiai-http",
                alerts=["SlowResponseTime"],
            ),
            [
                (
                    f"p{share}",
                    quantile(share / 100, "rate(http_request_duration_seconds_bucket{@}[$__rate_interval])"),
                )
                for share in (95, 50)
            ],
            "s",
            ((None, GREEN), (2, RED)),
            exemplars=True,
        ),
        course(
            About(
                "缓存命中率",
                "读缓存时命中的比例。长期低于 80% 说明缓存键、过期时间或内存有问题。",
                "The share of cache reads that hit. Below 80 % look at keys, expiry and memory.",
                see="wxiai-cache",
                alerts=["LowCacheHitRate"],
            ),
            [
                (
                    "命中率",
                    (
                        '(sum(rate(cache_operations_total{@,result="hit"}[$__rate_interval])) or 0 * sum(rate(cache_operations_total{@,result="miss"}[$__rate_interval])))'
                        ' / (sum(rate(cache_operations_total{@,result=~"hit|miss"}[$__rate_interval])) > 0)'
                    ),
                )
            ],
            "percentunit",
            ((None, RED), (0.8, GREEN)),
            top=1,
        ),
    ],
)

_USERS = Section(
    "用户 Users",
    [
        number(
            About(
                "日活跃用户",
                "今天到目前为止的不同用户数。",
                "Distinct users of the calendar day so far.",
                width=4,
                height=7,
            ),
            [("", "max(daily_active_users{@})")],
            decimals=0,
        ),
        number(
            About(
                "月活跃用户",
                "本月到目前为止的不同用户数。",
                "Distinct users of the calendar month so far.",
                width=4,
                height=7,
            ),
            [("", "max(monthly_active_users{@})")],
            decimals=0,
        ),
        number(
            About(
                "新增用户（24 小时）",
                "最近 24 小时注册的用户数。",
                "Registrations within the last 24 hours.",
                width=4,
                height=7,
            ),
            [("", "sum(increase(user_registrations_total{@}[1d]))")],
            decimals=0,
        ),
        bars(
            About(
                "用户留存率",
                "1、7、30 天前活跃的用户中今天也活跃的比例；那一天没有用户时没有数据。",
                "Of the users active 1, 7 and 30 days ago, the share active today; nothing where that day had nobody.",
                width=6,
                height=7,
            ),
            [(f"{days} 天前", f'max(user_retention_rate{{@,period="{days}d"}})') for days in (1, 7, 30)],
            "percentunit",
            ((None, ORANGE), (0.2, BLUE), (0.4, GREEN)),
            decimals=0,
            top=1,
        ),
        course(
            About("注册趋势", "每小时注册的用户数。", "Registrations per hour.", width=6, height=7),
            [("注册/小时", "3600 * sum(rate(user_registrations_total{@}[$__rate_interval]))")],
            decimals=0,
        ),
    ],
)

_TASKS = Section(
    "AI 任务 AI tasks",
    [
        course(
            About("任务提交", "每分钟提交的任务数，按服务。", "Tasks submitted per minute, by service.", width=8),
            [
                (
                    "{{service}}",
                    '60 * sum by (service) (rate(ai_tasks_submitted_total{@,service=~"$service"}[$__rate_interval]))',
                )
            ],
            "opm",
            stacked=True,
        ),
        course(
            About(
                "任务结果",
                "每分钟结束的任务数：成功、失败与取消。取消的任务不计入成功率。",
                "Tasks ended per minute: succeeded, failed, and cancelled, which no rate counts.",
                alerts=["AIServiceHighFailureRate"],
                width=8,
            ),
            [
                (
                    "{{status}}",
                    '60 * sum by (status) (rate(ai_tasks_total{@,service=~"$service",status!="pending"}[$__rate_interval]))',
                )
            ],
            "opm",
            stacked=True,
        ),
        bars(
            About(
                "各服务成功率",
                "最近 1 小时各服务结束的任务中成功的比例。",
                "Of each service's tasks that ended within the last hour, the share that succeeded.",
                see="wxiai-slo",
                alerts=["AIServiceHighFailureRate", "AIProviderDown"],
                width=8,
            ),
            [
                (
                    "{{service}}",
                    f"sum by (service) (increase({_SUCCESS}[1h])) / (sum by (service) (increase({_ENDED}[1h])) > 0)",
                )
            ],
            "percentunit",
            _SHARE_IS_GOOD,
            decimals=1,
            top=1,
            empty="无任务",
        ),
        course(
            About(
                "任务耗时 p95",
                "从提交到结束的时间，失败的也算。圆点可打开链路。",
                "From submission to end, failed ones included. The dots lead to traces.",
            ),
            [
                (
                    "{{service}}",
                    quantile(
                        0.95,
                        'rate(ai_task_duration_seconds_bucket{@,service=~"$service"}[$__rate_interval])',
                        "service",
                    ),
                )
            ],
            "s",
            exemplars=True,
        ),
        rows(
            About(
                "失败原因",
                "最近 1 小时失败次数最多的服务与错误类型。",
                "The services and kinds of errors that failed most within the last hour.",
                alerts=["AIServiceHighFailureRate", "AIProviderDown"],
            ),
            {"service": "服务", "error_type": "错误类型"},
            [
                (
                    "失败次数",
                    'topk(10, sum by (service, error_type) (increase(ai_service_failures_total{@,service=~"$service"}[1h])) > 0)',
                    "short",
                    ((None, ORANGE), (50, RED)),
                )
            ],
            empty="没有失败",
        ),
    ],
)

_CREDITS = Section(
    "积分 Credits",
    [
        number(
            About(
                "积分消耗（24 小时）",
                "最近 24 小时消耗的积分。",
                "Credits consumed within the last 24 hours.",
                width=4,
                height=7,
            ),
            [("", "sum(increase(credits_consumed_total{@}[1d]))")],
            levels=((None, ORANGE),),
            decimals=0,
        ),
        number(
            About(
                "积分充值（24 小时）",
                "最近 24 小时充值的积分。",
                "Credits bought within the last 24 hours.",
                width=4,
                height=7,
            ),
            [("", "sum(increase(credits_purchased_total{@}[1d]))")],
            levels=((None, GREEN),),
            decimals=0,
        ),
        number(
            About(
                "积分转化率",
                "最近 24 小时消耗与充值的比；没有充值时没有数据。",
                "Consumed over bought within 24 hours; nothing where nothing was bought.",
                width=4,
                height=7,
            ),
            [
                (
                    "",
                    "sum(increase(credits_consumed_total{@}[1d])) / (sum(increase(credits_purchased_total{@}[1d])) > 0)",
                )
            ],
            "percentunit",
            ((None, PURPLE),),
            decimals=0,
            empty="无充值",
        ),
        number(
            About(
                "平均余额",
                "所有用户的平均积分，来自应用数据库。",
                "The average balance, from the application's database.",
                width=4,
                height=7,
            ),
            [("", "max(avg_user_credits{@})")],
            decimals=0,
        ),
        course(
            About(
                "积分操作", "每分钟完成的消耗、充值与退还次数。", "Operations completed per minute.", width=8, height=7
            ),
            [("{{operation}}", "60 * sum by (operation) (rate(credits_operations_total{@}[$__rate_interval]))")],
            "opm",
        ),
        course(
            About("积分消耗趋势", "每分钟消耗的积分，按 AI 服务。", "Credits consumed per minute, by AI service."),
            [("{{service}}", "60 * sum by (service) (rate(credits_consumed_total{@}[$__rate_interval]))")],
            stacked=True,
        ),
        heat(
            About(
                "余额分布",
                "消耗之后剩下的余额分布；颜色越深，这个区间的次数越多。",
                "The balance left after a consume: the stronger the colour, the more often it was in that range.",
            ),
            "sum by (le) (increase(user_credits_balance_bucket{@}[$__rate_interval]))",
            "short",
        ),
    ],
)

_FAILURES = Section(
    "支付与上传 Payments and uploads",
    [
        course(
            About(
                "支付失败",
                "每次查询间隔内失败的支付，按渠道。",
                "Failed payments, by channel.",
                alerts=["PaymentFailures"],
            ),
            [("{{channel}}", "sum by (channel) (increase(payment_failures_total{@}[$__rate_interval]))")],
            bars=True,
            stacked=True,
            decimals=0,
        ),
        course(
            About("上传失败", "每次查询间隔内失败的文件上传，按错误类型。", "Failed uploads, by kind of error."),
            [
                (
                    "{{error_type}}",
                    top(8, "error_type", "sum by (error_type) (increase(file_upload_failures_total{@}[WINDOW]))"),
                )
            ],
            bars=True,
            stacked=True,
            decimals=0,
        ),
    ],
)

BOARD = Board(
    "wxiai-business",
    "平台的用户、AI 任务、积分与支付。",
    "The platform's users, AI tasks, credits and payments.",
    [_SPECIFIED, _USERS, _TASKS, _CREDITS, _FAILURES],
    service=True,
)
