"""The user of a request, as a dependency or middleware has put it into ``request.state.user``."""

from typing import Any

from starlette.types import Scope

from .._guard import fault


class RequestState(dict[str, Any]):
    """The state of a request. It keeps the role that its user had when it was set.

    A commit expires what SQLAlchemy has loaded: to read the role at the end of the request would be a query of ours, or
    fail, because the session is closed by then.
    """

    __slots__ = ("role",)

    role: Any

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "user":
            self.role = _attributes(value).get("role")


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
    kept = getattr(state, "role", None) if isinstance(state, RequestState) else None
    if kept is not None and "role" not in attributes:
        return attributes.get("id"), kept
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
