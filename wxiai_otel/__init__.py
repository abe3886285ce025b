"""Observability for a FastAPI application in one call: ``setup_telemetry(app)``."""

from ._version import VERSION as __version__  # noqa: N811 - the name that Python packages use
from .settings import SettingError, Settings
from .telemetry import SetupError, Telemetry, setup_telemetry

__all__ = [
    "SettingError",
    "Settings",
    "SetupError",
    "Telemetry",
    "__version__",
    "setup_telemetry",
]
