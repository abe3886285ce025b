"""The helpers that application code calls: AI tasks, credits, users, errors and security."""

from ._ai import AITask, complete_ai_task, monitor_ai_task, start_ai_task
from ._credits import monitor_credits_operation, record_credits
from ._events import (
    record_error,
    record_login_failure,
    record_payment_failure,
    record_security_event,
    record_upload_failure,
    record_user_activity,
    record_user_registration,
)
from ._token import TaskTokenError

__all__ = [
    "AITask",
    "TaskTokenError",
    "complete_ai_task",
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
    "start_ai_task",
]
