"""The pipeline's own health: targets, alerts, health checks, Collector, Prometheus, Alertmanager, bridge, the SDK."""

from ._bridge import BRIDGE
from ._build import Board, Section
from ._panels import About, bars, course, number, rows
from ._parts import BLUE, GREEN, ORANGE, RED
from ._sdk import SDK

_FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog"}'
_SIGNALS = ("metric_points", "spans", "log_records")

_NOW = Section(
    None,
    [
        number(
            About(
                "抓取目标失败",
                "Prometheus 抓取不到的目标数。",
                "Targets that Prometheus cannot scrape.",
                alerts=["TargetDown", "CollectorDown"],
                width=6,
                height=5,
            ),
            [("", "count(up == 0) or vector(0)")],
            levels=((None, GREEN), (1, RED)),
            decimals=0,
        ),
        number(
            About(
                "触发中的告警",
                "正在触发的告警，Watchdog 除外。",
                "Alerts that fire, Watchdog apart.",
                alerts=["Watchdog"],
                width=6,
                height=5,
            ),
            [("", f"count({_FIRING}) or vector(0)")],
            levels=((None, GREEN), (1, RED)),
            decimals=0,
        ),
        number(
            About(
                "报告的进程",
                "正在发送数据的应用进程数。",
                "Application processes that send.",
                alerts=["ApplicationDown", "NoApplicationData"],
                width=6,
                height=5,
            ),
            [("", "count(system_info{@})")],
            levels=((None, RED), (1, GREEN)),
            decimals=0,
            empty="没有应用",
        ),
        number(
            About(
                "SDK 内部故障（1 小时）",
                "SDK 自己的异常，已与应用隔离。",
                "Exceptions inside the SDK, kept from the application.",
                width=6,
                height=5,
            ),
            [("", "sum(increase(wxiai_otel_faults_total{@}[1h])) or vector(0)")],
            levels=((None, GREEN), (0.5, ORANGE)),
            decimals=0,
        ),
    ],
)

_STATE = Section(
    "状态 State",
    [
        bars(
            About(
                "健康检查",
                "应用自己的检查：1 是通过，0 是失败；多个进程取最小值。",
                "The application's checks: 1 passes, 0 fails; of several processes the smallest.",
                alerts=["HealthCheckFailing", "AIProviderDown"],
                width=8,
            ),
            [("{{check}}", "min by (check) (health_check_status{@})")],
            levels=((None, RED), (1, GREEN)),
            decimals=0,
            top=1,
        ),
        rows(
            About("触发中的告警一览", "正在触发的告警。", "Alerts that fire.", width=8),
            {"alertname": "告警", "severity": "严重程度"},
            [("数量", f"count by (alertname, severity) ({_FIRING})", "short", ((None, RED),))],
            empty="没有告警",
        ),
        rows(
            About(
                "应用版本", "正在运行的应用、版本与 Python。", "What runs, in which version, on which Python.", width=8
            ),
            {"job": "应用", "version": "版本", "environment": "环境", "python_version": "Python"},
            [
                (
                    "进程",
                    "count by (job, version, environment, python_version) (system_info{@})",
                    "short",
                    ((None, BLUE),),
                )
            ],
        ),
    ],
)

_COLLECTOR = Section(
    "Collector",
    [
        course(
            About(
                "接收",
                "每秒接收的指标点、跨度与日志。",
                "Metric points, spans and log records received per second.",
                alerts=["CollectorRefusing", "ApplicationDown"],
                width=8,
            ),
            [
                (
                    signal,
                    f'sum(rate(otelcol_receiver_accepted_{signal}{{job="collector"}}[$__rate_interval])) or vector(0)',
                )
                for signal in _SIGNALS
            ],
            "cps",
        ),
        course(
            About(
                "拒绝与丢弃",
                "每秒被拒绝、发送失败或放不进队列的条目；正常为 0。",
                "Items per second that were refused, not sent or not queued; 0 where all is well.",
                alerts=["CollectorRefusing", "CollectorDropping"],
                width=8,
            ),
            [
                (
                    name,
                    " + ".join(
                        # A failure has no series until there is one.
                        f'(sum(rate({metric}_{signal}{{job=~"collector|gateways"}}[$__rate_interval])) or vector(0))'
                        for signal in _SIGNALS
                    ),
                )
                for name, metric in (
                    ("拒绝", "otelcol_receiver_refused"),
                    ("发送失败", "otelcol_exporter_send_failed"),
                    ("队列已满", "otelcol_exporter_enqueue_failed"),
                )
            ],
            "cps",
        ),
        course(
            About(
                "发送队列",
                "等待发送的批次占队列容量的比例：链路发往 Jaeger，日志发往其存储。",
                "Batches that wait, of the queue's capacity: traces for Jaeger, log records for what keeps them.",
                alerts=["CollectorQueueFilling", "CollectorGatewayLost"],
                width=8,
            ),
            [
                (
                    "{{exporter}}",
                    'max by (exporter) (otelcol_exporter_queue_size{job=~"collector|gateways"} / otelcol_exporter_queue_capacity{job=~"collector|gateways"})',
                )
            ],
            "percentunit",
            ((None, GREEN), (0.8, RED)),
        ),
        course(
            About("内存", "各程序占用的内存。", "Memory of each program."),
            [
                ("{{job}}", 'max by (job) (process_resident_memory_bytes{job=~"prometheus|alertmanager"})'),
                (
                    "{{job}}",
                    'max by (job) (otelcol_process_memory_rss{job=~"collector|gateways"} or otelcol_process_memory_rss_bytes{job="jaeger"})',
                ),
            ],
            "bytes",
        ),
        course(
            About(
                "链路采样",
                "每秒收到的链路，以及因等待过多而提前丢弃的。",
                "Traces received per second, and those dropped because too many waited.",
            ),
            [
                (
                    "收到",
                    'sum(rate(otelcol_processor_tail_sampling_new_trace_id_received{job=~"collector|gateways"}[$__rate_interval]))',
                ),
                (
                    "提前丢弃",
                    'sum(rate(otelcol_processor_tail_sampling_sampling_trace_dropped_too_early{job=~"collector|gateways"}[$__rate_interval]))',
                ),
            ],
            "cps",
        ),
    ],
)

_STORES = Section(
    "Prometheus 与 Alertmanager",
    [
        course(
            About(
                "序列数",
                "Prometheus 内存中的序列。突然上升是标签失控。",
                "Series in Prometheus' memory. A jump is a label out of bounds.",
                width=8,
            ),
            [("序列", "sum(prometheus_tsdb_head_series)")],
            decimals=0,
        ),
        course(
            About(
                "抓取耗时",
                "每个目标的抓取时间。",
                "How long each target's scrape takes.",
                alerts=["TargetDown"],
                width=8,
            ),
            [
                (
                    "{{job}}",
                    'max by (job) (scrape_duration_seconds{job=~"applications|collector|prometheus|alertmanager|jaeger|bridge"})',
                )
            ],
            "s",
        ),
        course(
            About(
                "规则与通知失败",
                "每次查询间隔内失败的规则计算、丢弃的告警与失败的通知；正常为 0。",
                "Rules that failed, alerts dropped, notifications failed; 0 where all is well.",
                alerts=["RuleEvaluationFailing", "NotificationsFailing", "PrometheusCannotReachAlertmanager"],
                width=8,
            ),
            [
                ("规则", "sum(increase(prometheus_rule_evaluation_failures_total[$__rate_interval])) or vector(0)"),
                ("丢弃的告警", "sum(increase(prometheus_notifications_dropped_total[$__rate_interval]))"),
                ("通知失败", "sum(increase(alertmanager_notifications_failed_total[$__rate_interval]))"),
            ],
            decimals=0,
        ),
    ],
)

BOARD = Board(
    "wxiai-pipeline",
    "监控管道自身的健康：抓取、告警、Collector、Prometheus、通知桥接、SDK。",
    "The pipeline's own health: scrapes, alerts, Collector, Prometheus, the notification bridge, SDK.",
    [_NOW, _STATE, _COLLECTOR, _STORES, BRIDGE, SDK],
)
