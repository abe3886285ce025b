"""The HTTP path: our own ASGI layer around an application."""

from . import contrib
from ._http import Http, InFlight, Watch
from ._install import in_lifespan_startup, install
from ._native import leave_to_us, restore
from ._route import install_route_hooks, remove_route_hooks
from ._user import Users
from .installation import Installation

__all__ = [
    "Http",
    "InFlight",
    "Installation",
    "Users",
    "Watch",
    "contrib",
    "in_lifespan_startup",
    "install",
    "install_route_hooks",
    "leave_to_us",
    "remove_route_hooks",
    "restore",
]
