"""Alerts to people: channels, the alerts of the application's own, and the bridge behind Alertmanager."""

from ._errors import AlertConfigError
from ._manager import AlertManager, Delivery, init_alert_manager, send_business_alert

__all__ = ["AlertConfigError", "AlertManager", "Delivery", "init_alert_manager", "send_business_alert"]
