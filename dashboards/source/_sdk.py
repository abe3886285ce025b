"""The SDK's own health."""

from ._build import Section
from ._panels import About, course
from ._parts import GREEN, RED

SDK = Section(
    "SDK",
    [
        course(
            About(
                "SDK 自检",
                "每次查询间隔内：内部故障、超出上限的测量、被拒绝的参数、无法认领的任务结束、溢出的链路；正常为 0。",
                "Faults, measurements beyond the cap, refused arguments, ends of tasks not claimed, traces overflowed; 0 where all is well.",
                alerts=["LabelValuesRefused"],
                width=24,
            ),
            [
                (name, f"sum(increase({metric}{{@}}[$__rate_interval])) or vector(0)")
                for name, metric in (
                    ("内部故障", "wxiai_otel_faults_total"),
                    ("超出序列上限", "wxiai_otel_series_refused_total"),
                    ("拒绝的参数", "wxiai_otel_inputs_refused_total"),
                    ("丢弃的任务", "wxiai_otel_tasks_dropped_total"),
                    ("溢出的链路", "wxiai_otel_traces_overflowed_total"),
                )
            ],
            decimals=0,
        ),
        course(
            About(
                "链路队列",
                "等待发送的链路占队列的比例；满后丢弃最旧的。",
                "Spans that wait to be sent, of the room there is; the oldest are dropped when it is full.",
                alerts=["TelemetryQueueFilling"],
                width=8,
            ),
            [("{{job}}", "max by (job) (wxiai_otel_spans_queue_utilization_ratio{@})")],
            "percentunit",
            ((None, GREEN), (0.8, RED)),
        ),
        course(
            About(
                "发送失败与丢弃",
                "每次查询间隔内失败的发送尝试，以及丢弃的链路与日志；正常为 0。",
                "Attempts to send that failed, spans and log records dropped; 0 where all is well.",
                alerts=["TelemetryExportsFailing", "TelemetryDropping"],
                width=8,
            ),
            [
                (
                    "失败的发送",
                    'sum(increase(wxiai_otel_exports_total{@,outcome="failed"}[$__rate_interval])) or vector(0)',
                ),
                ("丢弃", "sum(increase(wxiai_otel_items_dropped_total{@}[$__rate_interval])) or vector(0)"),
            ],
            decimals=0,
        ),
        course(
            About(
                "发送耗时",
                "每次发送尝试的平均耗时。",
                "How long an attempt to send takes on average.",
                alerts=["TelemetryExportsFailing"],
                width=8,
            ),
            [
                (
                    "{{signal}}",
                    " / ".join(
                        f"sum by (signal) (rate({metric}{{@}}[$__rate_interval]))"
                        for metric in ("wxiai_otel_exports_duration_seconds_total", "wxiai_otel_exports_total")
                    ),
                )
            ],
            "s",
        ),
        course(
            About(
                "安全检测记住的来源",
                "安全检测记住的客户端与登录失败来源，数量有上限。",
                "Clients and sources of failed logins that detection remembers; their number is bounded.",
                width=12,
            ),
            [("{{kind}}", "max by (kind) (wxiai_otel_detection_clients{@})")],
            decimals=0,
        ),
        course(
            About(
                "安全检测提前遗忘的来源",
                "每次查询间隔内，因来源过多而在统计窗口内被遗忘的来源；正常为 0。",
                "Sources that detection forgot within their window, as there were too many others; 0 where all is well.",
                alerts=["DetectionTableFull"],
                width=12,
            ),
            [("{{kind}}", "sum by (kind) (increase(wxiai_otel_detection_forgotten_total{@}[$__rate_interval]))")],
            decimals=0,
        ),
    ],
)
