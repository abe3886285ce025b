"""The notification bridge's own health."""

from ._build import Section
from ._panels import About, course, number
from ._parts import GREEN, ORANGE, RED, quantile

BRIDGE = Section(
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
