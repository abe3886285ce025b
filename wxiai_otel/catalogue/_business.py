"""Users, AI tasks, credits, failures and security: what application code records through the helpers."""

from ._model import Attribute, Instrument, Kind, one

# The services and roles that are known are settings.
_SERVICE = Attribute("service", "service", absent="other")
_ROLE = Attribute("user.role", "user_role", absent="anonymous")
_ERROR = Attribute("error.type", "error_type", limit=200)

BUSINESS: tuple[Instrument, ...] = (
    one(
        "active_users.current",
        Kind.GAUGE,
        "{user}",
        "Distinct users seen in the last 5 minutes.",
        "active_users_current",
    ),
    one(
        "daily_active_users",
        Kind.GAUGE,
        "{user}",
        "Distinct users of the calendar day so far.",
        "daily_active_users",
    ),
    one(
        "monthly_active_users",
        Kind.GAUGE,
        "{user}",
        "Distinct users of the calendar month so far.",
        "monthly_active_users",
    ),
    one(
        "user.retention_rate",
        Kind.GAUGE,
        "",
        "Of the users active a period ago, the share active today.",
        "user_retention_rate",
        (Attribute("period", "period", values=("1d", "7d", "30d")),),
    ),
    one("user.registrations", Kind.COUNTER, "{user}", "Users registered.", "user_registrations_total"),
    one(
        "ai.tasks",
        Kind.COUNTER,
        "{task}",
        "AI tasks: pending once when submitted, then success, failed or cancelled once when completed.",
        "ai_tasks_total",
        (_SERVICE, Attribute("status", "status", values=("pending", "success", "failed", "cancelled")), _ROLE),
    ),
    one(
        "ai.task.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of AI tasks from submission to completion, failed and cancelled ones included.",
        "ai_task_duration_seconds",
        (_SERVICE, Attribute("mode", "mode", absent="default", limit=50)),
        (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0),
    ),
    one(
        "ai.tasks.submitted",
        Kind.COUNTER,
        "{task}",
        "AI tasks submitted.",
        "ai_tasks_submitted_total",
        (_SERVICE, _ROLE),
    ),
    one(
        "ai.service.failures",
        Kind.COUNTER,
        "{failure}",
        "Failures of AI services.",
        "ai_service_failures_total",
        (_SERVICE, _ERROR),
    ),
    one(
        "credits.operations",
        Kind.COUNTER,
        "{operation}",
        "Credit operations that completed.",
        "credits_operations_total",
        (Attribute("operation", "operation", values=("consume", "refund", "purchase")), _ROLE),
    ),
    one(
        "user.credits.balance",
        Kind.HISTOGRAM,
        "{credit}",
        "Balance left after a consume.",
        "user_credits_balance",
        (),
        (0.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0),
    ),
    one(
        "credits.consumed",
        Kind.COUNTER,
        "{credit}",
        "Credits consumed.",
        "credits_consumed_total",
        (_SERVICE,),
    ),
    one("credits.purchased", Kind.COUNTER, "{credit}", "Credits bought.", "credits_purchased_total"),
    one(
        "avg_user_credits",
        Kind.GAUGE,
        "{credit}",
        "Average balance, asked of the application's database.",
        "avg_user_credits",
    ),
    one(
        "payment.failures",
        Kind.COUNTER,
        "{failure}",
        "Failed payments.",
        "payment_failures_total",
        (Attribute("channel", "channel", limit=50), _ERROR),
    ),
    one(
        "file_upload.failures",
        Kind.COUNTER,
        "{failure}",
        "Failed uploads.",
        "file_upload_failures_total",
        (_ERROR,),
    ),
    one(
        "security.events",
        Kind.COUNTER,
        "{event}",
        "Security events.",
        "security_events_total",
        (
            Attribute("event_type", "event_type", absent="other"),
            Attribute("severity", "severity", values=("info", "warning", "critical")),
        ),
    ),
    one(
        "login.failures",
        Kind.COUNTER,
        "{failure}",
        "Failed logins.",
        "login_failures_total",
        (Attribute("reason", "reason", limit=50),),
    ),
)
