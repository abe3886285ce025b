"""The user of a request, as a dependency or middleware has put it into ``request.state.user``."""

from typing import Any

from starlette.types import Scope

from .._guard import fault
from ..settings import FindUser, Settings, User

NOBODY: User = (None, None)


class Users:
    """Finds the user of a request.

    Parameters:
        settings: roles and find_user.
    """

    def __init__(self, settings: Settings) -> None:
        self._find_user: FindUser = settings.find_user or find_user
        self._roles = frozenset(settings.roles)

    def of(self, scope: Scope) -> User:
        """The id of the request's user, and the role: one of the setting roles, else ``other``; or `NOBODY`."""
        user = self.find(scope)
        if user is None or user[1] in self._roles:
            return user or NOBODY
        return user[0], "other"

    def find(self, scope: Scope) -> User | None:
        """The id of the request's user, and the role as it is, where it is a word."""
        try:
            user = self._find_user(scope)
            if user is None:
                return None
            user_id, role = user
            if type(role) is not str:
                role = getattr(role, "value", role)
            return user_id, role if isinstance(role, str) else None
        except Exception:  # noqa: BLE001 - the setting find_user is the application's code
            fault("http.user")
            return None


class RequestState(dict[str, Any]):
    """The state of a request. It keeps the id and the role that its user had when it was set.

    A commit expires what SQLAlchemy has loaded: to read them at the end of the request would be a query of ours, or
    fail, because the session is closed by then.
    """

    __slots__ = ("user",)

    user: tuple[Any, Any]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "user":
            attributes = _attributes(value)
            self.user = attributes.get("id"), attributes.get("role")


def observe_user(scope: Scope) -> None:
    """Give the scope a state, the same one for a middleware that copies the scope."""
    state = scope.setdefault("state", {})
    # Where we are mounted a middleware outside of us may hold the state that there is.
    if type(state) is dict and "router" not in scope:
        scope["state"] = RequestState(state)


def find_user(scope: Scope) -> tuple[object | None, str | None] | None:
    """The user that a dependency or middleware has put into ``request.state.user``.

    Parameters:
        scope: The request's ASGI scope, after the application has handled it.

    Returns:
        Its id and role, or ``None`` without a user.
    """
    state = scope.get("state")
    user = state.get("user") if isinstance(state, dict) else getattr(state, "user", None)
    if user is None:
        return None
    if isinstance(user, dict):
        return user.get("id"), user.get("role")
    attributes = _attributes(user)
    kept = getattr(state, "user", NOBODY) if isinstance(state, RequestState) else NOBODY
    if kept[1] is not None and "role" not in attributes:
        return kept
    try:
        return getattr(user, "id", None), getattr(user, "role", None)
    except Exception:  # noqa: BLE001 - attributes are the application's code: there is a user all the same
        fault("http.user")
        return None, None


def _attributes(user: object) -> dict[str, Any]:
    """What is at hand without asking the object."""
    try:
        return vars(user)
    except Exception:  # noqa: BLE001 - it has none, or makes them in a way of its own
        return {}
