"""Metrics that rules and runbooks name and that are not the application's."""

from tests.alerts.files import RECORDING_RULES
from tests.promql import IDENTITY


def _of(*labels: str) -> frozenset[str]:
    return IDENTITY | set(labels)


# What the programs of the pipeline say of themselves, from their start on or from their first data on.
PIPELINE = {
    "otelcol_process_uptime": _of(),
    "otelcol_process_memory_rss": _of(),
    "otelcol_receiver_accepted_metric_points": _of("receiver", "transport"),
    "otelcol_receiver_accepted_spans": _of("receiver", "transport"),
    "otelcol_receiver_refused_metric_points": _of("receiver", "transport"),
    "otelcol_receiver_refused_spans": _of("receiver", "transport"),
    "otelcol_receiver_refused_log_records": _of("receiver", "transport"),
    "otelcol_exporter_sent_spans": _of("exporter", "server_address", "server_port"),
    "otelcol_exporter_queue_size": _of("exporter", "data_type"),
    "otelcol_exporter_queue_capacity": _of("exporter", "data_type"),
    "prometheus_config_last_reload_successful": _of(),
    "prometheus_notifications_alertmanagers_discovered": _of(),
    "prometheus_notifications_errors_total": _of("alertmanager"),
    "prometheus_notifications_dropped_total": _of("alertmanager"),
    "prometheus_notifications_sent_total": _of("alertmanager"),
    "prometheus_rule_evaluation_failures_total": _of("rule_group"),
    "prometheus_rule_group_last_duration_seconds": _of("rule_group"),
    "prometheus_tsdb_head_series": _of(),
    "alertmanager_config_last_reload_successful": _of(),
    "alertmanager_alerts": _of("state"),
    "alertmanager_notifications_total": _of("integration"),
    "alertmanager_notifications_failed_total": _of("integration", "reason"),
    "up": _of(),
    "scrape_duration_seconds": _of(),
    # With what the rules group by: which of these there are depends on the alerts that are active.
    "ALERTS": _of(
        *("alertname", "alertstate", "severity", "team", "symptom", "fast"),
        *("service", "pool", "channel", "check", "receiver", "exporter", "data_type", "rule_group", "integration"),
    ),
}
# What the Collector says only once it has lost something.
AFTER_LOSS = {
    "otelcol_exporter_send_failed_spans": _of("exporter", "server_address", "server_port"),
    "otelcol_exporter_enqueue_failed_spans": _of("exporter"),
    "otelcol_exporter_send_failed_log_records": _of("exporter", "server_address", "server_port", "url_path"),
    "otelcol_exporter_enqueue_failed_log_records": _of("exporter"),
}
# Agents', of two tiers: tests/tiers has them.
AGENTS = {
    "otelcol_loadbalancer_num_backends": _of("resolver"),
    "otelcol_loadbalancer_backend_outcome": _of("endpoint", "success"),
}
# The notification bridge's own.
BRIDGE = {"wxiai_bridge_notifications_total": _of("channel", "outcome")}
# node_exporter's, where it is scraped. No program of the pipeline knows the disk.
NODE_EXPORTER = {
    "node_filesystem_avail_bytes": _of("device", "fstype", "mountpoint"),
    "node_filesystem_size_bytes": _of("device", "fstype", "mountpoint"),
}
# Recorded on the way to something else: level:metric:operation, where the level is the only label.
RECORDED = {
    rule.name: frozenset({rule.name.split(":")[0]} - {"platform"}) for rule in RECORDING_RULES if ":" in rule.name
}

OTHERS = PIPELINE | AFTER_LOSS | AGENTS | BRIDGE | NODE_EXPORTER | RECORDED
