"""The pipeline's own health: targets, alerts, health checks, Collector, Prometheus, Alertmanager, bridge, the SDK."""

from ._build import Board, Section
from ._panels import About, bars, course, number, rows
from ._parts import BLUE, GREEN, ORANGE, RED, quantile

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
                        f'(sum(rate({metric}_{signal}{{job="collector"}}[$__rate_interval])) or vector(0))'
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
                alerts=["CollectorQueueFilling"],
                width=8,
            ),
            [
                (
                    "{{exporter}}",
                    'max by (exporter) (otelcol_exporter_queue_size{job="collector"} / otelcol_exporter_queue_capacity{job="collector"})',
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
                    'max by (job) (otelcol_process_memory_rss{job="collector"} or otelcol_process_memory_rss_bytes{job="jaeger"})',
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
                    'sum(rate(otelcol_processor_tail_sampling_new_trace_id_received{job="collector"}[$__rate_interval]))',
                ),
                (
                    "提前丢弃",
                    'sum(rate(otelcol_processor_tail_sampling_sampling_trace_dropped_too_early{job="collector"}[$__rate_interval]))',
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

_BRIDGE = Section(
    "通知桥接 Notification bridge",
    [
        number(
            About(
                "距上次心跳",
                "Alertmanager 上次送达 Watchdog 至今的时间，正常每分钟一次；变长说明告警已送不出来。",
                "Since Alertmanager sent the Watchdog last, each minute where all is well; longer: alerts do not get out.",
                alerts=["Watchdog", "PrometheusCannotReachAlertmanager"],
                width=6,
            ),
            [("", "time() - max(wxiai_bridge_heartbeat_timestamp_seconds > 0)")],
            "s",
            ((None, GREEN), (150, ORANGE), (300, RED)),
            decimals=0,
            empty="从未收到",
        ),
        number(
            About(
                "启用的渠道",
                "桥接已启用的渠道数；0 表示机器人群收不到任何告警。",
                "Channels that the bridge has on; with 0 no chat is told of anything.",
                width=6,
            ),
            [("", "sum(wxiai_bridge_channel_enabled)")],
            levels=((None, ORANGE), (1, GREEN)),
            decimals=0,
        ),
        course(
            About(
                "通知结果",
                "每次查询间隔内 Alertmanager 交来的通知：送达、未送达、渠道未启用、内容无效。",
                "Notifications from Alertmanager: delivered, failed, for a channel that is off, invalid.",
                alerts=["BridgeNotificationsFailing", "NotificationsFailing"],
            ),
            [
                (name, f'sum(increase(wxiai_bridge_notifications_total{{outcome="{outcome}"}}[$__rate_interval]))')
                for name, outcome in (
                    ("送达", "delivered"),
                    ("未送达", "failed"),
                    ("渠道未启用", "off"),
                    ("无效", "invalid"),
                )
            ],
            stacked=True,
            bars=True,
            decimals=0,
        ),
        course(
            About(
                "各渠道失败",
                "每次查询间隔内各渠道未能送达的通知，Alertmanager 会重试；正常为 0。",
                "Notifications that a channel could not deliver; Alertmanager tries again. 0 where all is well.",
                alerts=["BridgeNotificationsFailing"],
                width=8,
            ),
            [
                (
                    "{{channel}}",
                    'sum by (channel) (increase(wxiai_bridge_notifications_total{outcome="failed"}[$__rate_interval]))',
                )
            ],
            decimals=0,
        ),
        course(
            About(
                "送达耗时",
                "从收到通知到答复的 p95，包括排队等待限流。",
                "From a notification to its answer, with what it waited for its turn: p95.",
                alerts=["BridgeNotificationsFailing"],
                width=8,
            ),
            [
                (
                    "{{channel}}",
                    quantile(
                        0.95, "rate(wxiai_bridge_notification_duration_seconds_bucket[$__rate_interval])", "channel"
                    ),
                )
            ],
            "s",
        ),
        course(
            About(
                "重试与积压",
                "被渠道拒绝或失败的尝试、合并进摘要的消息（每次查询间隔内），以及排队与搁置的消息；正常为 0。",
                "Attempts that were rejected or failed, messages folded into a digest, waiting, held; 0 where all is well.",
                alerts=["BridgeNotificationsFailing"],
                width=8,
            ),
            [
                # A channel that is off has no series of these.
                (name, f"{query} or vector(0)")
                for name, query in (
                    ("被拒绝", 'sum(increase(wxiai_bridge_attempts_total{outcome="rejected"}[$__rate_interval]))'),
                    ("尝试失败", 'sum(increase(wxiai_bridge_attempts_total{outcome="failed"}[$__rate_interval]))'),
                    ("合并", "sum(increase(wxiai_bridge_folded_messages_total[$__rate_interval]))"),
                    ("排队", "sum(wxiai_bridge_queue_length)"),
                    ("搁置", "sum(wxiai_bridge_held_messages)"),
                )
            ],
            decimals=0,
        ),
    ],
)

_SDK = Section(
    "SDK",
    [
        course(
            About(
                "SDK 自检",
                "每次查询间隔内：内部故障、超出上限的测量、被拒绝的参数、无法认领的任务结束、溢出的链路；正常为 0。",
                "Faults, measurements beyond the cap, refused arguments, ends of tasks not claimed, traces overflowed; 0 where all is well.",
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
                width=24,
            ),
            [("{{kind}}", "max by (kind) (wxiai_otel_detection_clients{@})")],
            decimals=0,
        ),
    ],
)

BOARD = Board(
    "wxiai-pipeline",
    "监控管道自身的健康：抓取、告警、Collector、Prometheus、通知桥接、SDK。",
    "The pipeline's own health: scrapes, alerts, Collector, Prometheus, the notification bridge, SDK.",
    [_NOW, _STATE, _COLLECTOR, _STORES, _BRIDGE, _SDK],
)
