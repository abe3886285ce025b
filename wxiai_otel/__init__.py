"""Observability for a FastAPI application in one call: ``setup_telemetry(app)``."""

from typing import TYPE_CHECKING, Any

from ._version import VERSION as __version__  # noqa: N811 - the name that Python packages use
from .business import (
    AITask,
    TaskTokenError,
    complete_ai_task,
    monitor_ai_task,
    monitor_credits_operation,
    record_credits,
    record_error,
    record_login_failure,
    record_payment_failure,
    record_security_event,
    record_upload_failure,
    record_user_activity,
    record_user_registration,
    start_ai_task,
)
from .logs import LogFormatter
from .settings import SettingError, Settings
from .telemetry import SetupError, Telemetry, setup_telemetry

if TYPE_CHECKING:
    from .alerting import AlertConfigError, AlertManager, Delivery, init_alert_manager, send_business_alert
    from .settings._arguments import SettingsArguments

__all__ = [
    "AITask",
    "AlertConfigError",
    "AlertManager",
    "Delivery",
    "LogFormatter",
    "SettingError",
    "Settings",
    "SettingsArguments",
    "SetupError",
    "TaskTokenError",
    "Telemetry",
    "__version__",
    "complete_ai_task",
    "init_alert_manager",
    "monitor_ai_task",
    "monitor_credits_operation",
    "record_credits",
    "record_error",
    "record_login_failure",
    "record_payment_failure",
    "record_security_event",
    "record_upload_failure",
    "record_user_activity",
    "record_user_registration",
    "send_business_alert",
    "setup_telemetry",
    "start_ai_task",
]


def __getattr__(name: str) -> Any:
    """Import what not every application needs when it is used (PEP 562): alerts with mail and HTTP, and a type."""
    if name == "SettingsArguments":
        from .settings._arguments import SettingsArguments

        return SettingsArguments
    if name in __all__:
        from . import alerting

        return getattr(alerting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
