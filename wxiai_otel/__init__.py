"""Observability for a FastAPI application in one call: ``setup_telemetry(app)``."""

from .settings import SettingError, Settings
from .telemetry import SetupError, Telemetry, setup_telemetry

__all__ = [
    "SettingError",
    "Settings",
    "SetupError",
    "Telemetry",
    "setup_telemetry",
]
