"""Metrics of the contract that Prometheus' recording rules make."""

from ._model import RuleMetric

RULE_METRICS: tuple[RuleMetric, ...] = (
    RuleMetric("http_errors_rate", (), "5xx / all requests over 5 minutes."),
    RuleMetric("cache_hit_rate", (), "hit / (hit + miss) over 5 minutes; absent when nothing was read."),
    RuleMetric("new_users_registered", (), "Registrations in the last 24 hours."),
    RuleMetric("ai_task_success_rate", ("service",), "success / (success + failed)."),
    RuleMetric("ai_task_duration_avg", ("service",), "Average duration of AI tasks."),
    RuleMetric("ai_service_usage_distribution", ("service",), "Share of the submitted tasks of the last hour."),
    RuleMetric("credit_conversion_rate", (), "Credits consumed / purchased over 24 hours."),
    RuleMetric("api_abuse_detected", (), "api_abuse events of the last 5 minutes."),
    RuleMetric("suspicious_access_patterns", (), "suspicious_access events of the last 5 minutes."),
)
