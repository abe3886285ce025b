"""What goes wrong and what is suspicious: each a count, an event on the current span and a structured log record."""

import logging
from datetime import datetime
from typing import Any

from opentelemetry import trace

from .._reentry import may_log, may_use_sdk
from .._request import current_request
from ._inputs import checked
from ._process import OTHER, Business, current
from ._words import InvalidInput, UnreadableInput, class_name, shown, word

logger = logging.getLogger("wxiai_otel.events")

EVENT_TYPES = LOGIN_FAILURE, LOGIN_FAILURE_BURST, API_ABUSE, SUSPICIOUS_ACCESS = (
    "login_failure",
    "login_failure_burst",
    "api_abuse",
    "suspicious_access",
)
UNKNOWN = "unknown"
SEVERITIES = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


@checked("record_error", "events.error")
def record_error(error: str | BaseException | type[BaseException], component: str) -> None:
    """Count an error of the application as ``application_errors_total``.

    Parameters:
        error: The exception, or a word.
        component: Where it happened, for example ``image_storage``.
    """
    business = current()
    if business is None:
        return
    error_type, component = class_name(error), word(component, "component") or UNKNOWN
    business.instruments["application.errors"].record(1, (error_type, component))
    _tell("application_error", logging.ERROR, {"error.type": error_type, "component": component})


@checked("record_payment_failure", "events.payment")
def record_payment_failure(channel: str, error: str | BaseException = "unknown") -> None:
    """Count a payment that failed as ``payment_failures_total``.

    Parameters:
        channel: For example alipay or wechat.
        error: The exception, or a word for what went wrong.
    """
    business = current()
    if business is None:
        return
    channel, error_type = word(channel, "channel") or UNKNOWN, class_name(error)
    business.instruments["payment.failures"].record(1, (channel, error_type))
    _tell("payment_failure", logging.ERROR, {"channel": channel, "error.type": error_type})


@checked("record_upload_failure", "events.upload")
def record_upload_failure(error: str | BaseException = "unknown") -> None:
    """Count an upload that failed as ``file_upload_failures_total``.

    Parameters:
        error: The exception, or a word for what went wrong.
    """
    business = current()
    if business is None:
        return
    error_type = class_name(error)
    business.instruments["file_upload.failures"].record(1, (error_type,))
    _tell("file_upload_failure", logging.WARNING, {"error.type": error_type})


@checked("record_login_failure", "events.login")
def record_login_failure(reason: str = "unknown", account: object = None) -> None:
    """Count a login that failed, as ``login_failures_total`` and as a security event of severity info.

    A request in which it was called is not counted again as a failed login seen on a route (the setting login_routes).

    Parameters:
        reason: For example password, unknown_user or locked.
        account: Against whom: many failures against one account are a ``login_failure_burst``. It is kept as a hash
            for a few minutes, and leaves the process in nothing.
    """
    business = current()
    if business is None:
        return
    reason, against = word(reason, "reason") or UNKNOWN, word(account, "account")
    request = current_request.get()
    client = None
    if request is not None and request.login_failure_seen:
        # In a background task, after the answer has been counted.
        request.login_failure_seen = False
    else:
        if request is not None:
            request.login_failure_recorded = True
            client = request.client()
        count_login_failure(business, reason)
    if business.logins is not None:
        business.logins.login_failed(client, against)


def count_login_failure(business: Business, reason: str) -> None:
    """Count a failed login, whoever has noticed it."""
    business.instruments["login.failures"].record(1, (reason,))
    count_security_event(business, LOGIN_FAILURE, "info", {"reason": reason})


@checked("record_security_event", "events.security")
def record_security_event(event_type: str, severity: str = "warning", **details: str | float | bool) -> None:
    """Count a security event as ``security_events_total``.

    Parameters:
        event_type: login_failure, login_failure_burst, api_abuse, suspicious_access or one of the setting
            security_event_types; anything else is ``other``. For a failed login there is `record_login_failure`.
        severity: info, warning or critical.
        details: For the log record and the span's event; never labels.

    Raises:
        ValueError: Under pytest or with the setting strict: the severity is another word. Otherwise that is a warning,
            and nothing is counted.
    """
    business = current()
    if business is None:
        return
    event_type, severity_label = word(event_type, "event_type") or OTHER, word(severity, "severity")
    if severity_label not in SEVERITIES:
        raise InvalidInput(f"`severity` must be one of {', '.join(SEVERITIES)}, got {shown(severity)}", "severity")
    count_security_event(business, event_type, severity_label, details)


def count_security_event(
    business: Business, event_type: str, severity: str, details: dict[str, str | float | bool]
) -> None:
    """Count a security event, whoever has noticed it."""
    known = event_type in EVENT_TYPES or event_type in business.settings.security_event_types
    business.instruments["security.events"].record(1, (event_type if known else OTHER, severity))
    said = {name: word(value, name) if issubclass(type(value), str) else value for name, value in details.items()}
    _tell(event_type, SEVERITIES[severity], {**said, "severity": severity})


@checked("record_user_activity", "events.activity")
def record_user_activity(user_id: object, at: datetime | float | None = None) -> None:
    """Count a user as active. The users of requests are seen by themselves.

    Parameters:
        user_id: Any id whose text is unique. It is kept as a hash, and never leaves the process.
        at: When: an aware datetime, or seconds since the epoch; by default now. What is more than 31 days ago is not
            counted.

    Raises:
        ValueError: Under pytest or with the setting strict: ``at`` is in the future, or a datetime without time zone.
            Otherwise that is a warning, and nothing is counted.
    """
    business = current()
    if business is None or business.activity is None:
        return
    user = _text_of(user_id)
    try:
        business.activity.record(user, at)
    except ValueError as error:
        raise InvalidInput(str(error), "at") from None
    except Exception:
        if at is None:
            raise
        message = f"`at` must be an aware datetime or seconds since the epoch, got {shown(at)}"
        raise UnreadableInput(message, "at") from None


@checked("record_user_registration", "events.registration")
def record_user_registration() -> None:
    """Count a user who has registered as ``user_registrations_total``."""
    business = current()
    if business is None:
        return
    business.instruments["user.registrations"].record(1)


def _text_of(user_id: object) -> str:
    try:
        return str(user_id)
    except Exception:  # noqa: BLE001 - it is the application's code
        raise UnreadableInput(f"`user_id` must be convertible to text, got {shown(user_id)}", "user_id") from None


def _tell(name: str, level: int, attributes: dict[str, Any]) -> None:
    span = trace.get_current_span()
    # This may interrupt code that holds the span's lock. (A thread that outlives its request has an ended span.)
    if may_use_sdk() and span.is_recording():
        span.add_event(name, attributes)
    if may_log():
        logger.log(level, "%s", name, extra={"event": name, "attributes": attributes})
