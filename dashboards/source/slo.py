"""Objectives, what is left of their error budgets, and how fast these burn."""

from dataclasses import dataclass

from ._build import Board, Section
from ._panels import About, bars, course, number
from ._parts import GREEN, ORANGE, RED


@dataclass(frozen=True, slots=True)
class _Objective:
    """An objective over 30 days, of the rates that alerts/slo_alerts.yml records: hours of raw series would be dear.

    Parameters:
        name: In Chinese.
        english: In English.
        share: Of all, how many are to be good.
        bad: The rate of those that are not, as it is recorded.
        all: The rate of all, likewise.
        events: How many there were in the last hour. Not recorded.
        alert: The alert that watches it.
        see: The dashboard that says more.
    """

    name: str
    english: str
    share: float
    bad: str
    all: str
    events: str
    alert: str
    see: str

    def failed(self, window: str) -> str:
        """The share of those that are not good, as the alerts have it; what is recorded is of 5 minutes already."""
        bad, every = (
            f"sum({rate})" if window == "5m" else f"sum(sum_over_time({rate}[{window}]))"
            for rate in (self.bad, self.all)
        )
        return f"{bad} / ({every} > 0)"

    def burn(self, window: str) -> str:
        """How many times faster than allowed the budget is used."""
        return f"({self.failed(window)}) / {1 - self.share:.6g}"


_JOB = '{job=~"$job"}'
_OBJECTIVES = (
    _Objective(
        "可用性",
        "Availability: requests not answered 5xx",
        0.999,
        f"job:http_requests_failed:rate5m{_JOB}",
        f"job:http_requests:rate5m{_JOB}",
        "sum(increase(http_requests_total{@}[1h]))",
        "AvailabilityBurnRate",
        "wxiai-http",
    ),
    _Objective(
        "延迟",
        "Latency: requests within 2.5 s, streams apart",
        0.99,
        f"job:http_requests_slow:rate5m{_JOB}",
        f"job:http_requests_timed:rate5m{_JOB}",
        "sum(increase(http_request_duration_seconds_count{@}[1h]))",
        "LatencyBurnRate",
        "wxiai-http",
    ),
    _Objective(
        "AI 任务成功",
        "AI tasks that succeeded, of those that ended, on the whole platform",
        0.95,
        "service:ai_tasks_failed:rate5m",
        "service:ai_tasks_ended:rate5m",
        'sum(increase(ai_tasks_total{@,status=~"success|failed"}[1h]))',
        "AITaskSuccessBurnRate",
        "wxiai-business",
    ),
)

_NOW = Section(
    None,
    [
        number(
            About(
                f"{objective.name}（30 天）",
                f"最近 30 天达标的比例；目标 {objective.share:.4g}。",
                f"{objective.english}, 30 days; objective {objective.share:.4g}.",
                see=objective.see,
                alerts=[objective.alert],
                width=8,
                height=5,
            ),
            [("", f"1 - {objective.failed('30d')}")],
            "percentunit",
            ((None, RED), (objective.share, GREEN)),
            decimals=3,
            line=False,
        )
        for objective in _OBJECTIVES
    ]
    + [
        bars(
            About(
                "剩余错误预算",
                "30 天的错误预算还剩多少：100% 是没有用过，0 是用完，负数是超支。",
                "What is left of the budget for 30 days: 100 % is untouched, 0 is used up, below is overspent.",
                alerts=[objective.alert for objective in _OBJECTIVES],
                width=24,
                height=6,
            ),
            [(objective.name, f"clamp_min(1 - {objective.burn('30d')}, -1)") for objective in _OBJECTIVES],
            "percentunit",
            ((None, RED), (0.2, ORANGE), (0.5, GREEN)),
            decimals=0,
            top=1,
        )
    ],
)

_BURN = Section(
    "消耗速度 Burn rates",
    [
        course(
            About(
                f"{objective.name}：预算消耗速度",
                "1 表示正好 30 天用完；两条虚线是告警：6 倍（五天）与 14.4 倍（两天）。",
                f"{objective.english}. 1 lasts for 30 days; it alerts at 6 times (five days) and 14.4 times (two).",
                see=objective.see,
                alerts=[objective.alert],
                width=8,
                height=9,
            ),
            [(window, objective.burn(window)) for window in ("5m", "1h", "6h")],
            "short",
            ((None, GREEN), (6, ORANGE), (14.4, RED)),
            decimals=1,
        )
        for objective in _OBJECTIVES
    ],
)

_TRAFFIC = Section(
    "未达标比例 Bad events",
    [
        course(
            About(
                "1 小时未达标比例",
                "每个目标最近 1 小时未达标的比例，越低越好。",
                "Each objective's share of bad events over one hour: the lower, the better.",
                alerts=[objective.alert for objective in _OBJECTIVES],
            ),
            [(objective.name, objective.failed("1h")) for objective in _OBJECTIVES],
            "percentunit",
            decimals=2,
        ),
        course(
            About(
                "事件数（1 小时）",
                "各目标最近 1 小时的请求或任务数；太少时告警不触发。",
                "Requests or tasks of the last hour; where there are too few, the alerts keep silent.",
            ),
            [(objective.name, objective.events) for objective in _OBJECTIVES],
            decimals=0,
        ),
    ],
)

BOARD = Board(
    "wxiai-slo",
    "30 天的目标、剩余的错误预算与消耗速度。",
    "Objectives over 30 days, what is left of their budgets, and how fast these burn.",
    [_NOW, _BURN, _TRAFFIC],
    since="now-6h",
    # Thirty days are dear to ask for.
    refresh="1m",
)
