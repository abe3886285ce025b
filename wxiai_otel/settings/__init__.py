"""Every setting once, as data: name, environment variables, default, what is allowed.

An argument takes precedence over the environment, the environment over the default. A value that is not allowed raises
one `SettingError` that names the setting, where the value came from, the value, and what is allowed.
"""

from ._business import Settings
from ._declare import FindUser, User
from ._load import SettingError, load_settings, variable_of
from ._standard import STANDARD

__all__ = [
    "STANDARD",
    "FindUser",
    "SettingError",
    "Settings",
    "User",
    "load_settings",
    "variable_of",
]
