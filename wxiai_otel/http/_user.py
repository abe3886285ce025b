"""The user of a request, as a dependency or middleware has put it into ``request.state.user``."""

from collections.abc import Callable
from enum import Enum
from functools import cached_property
from types import MemberDescriptorType
from typing import Any, NamedTuple, Self

from starlette.types import Scope

from .._guard import fault
from ..settings import FindUser, Settings, User

NOBODY: User = (None, None)

# The types of slots, and of the fields of named tuples.
_SLOTS = (MemberDescriptorType, type(NamedTuple("_One", [("one", int)]).__dict__["one"]))
_PROPERTIES = (property, cached_property)
# Attributes that mark instances of SQLAlchemy, Tortoise and peewee models.
_MAPPED = frozenset(("_sa_instance_state", "_saved_in_db", "__data__"))


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
            if type(role) is str:  # the usual case
                return user_id, role
            if isinstance(role, Enum):
                role = role.value
            return user_id, role if isinstance(role, str) else None
        except Exception:  # noqa: BLE001 - the setting find_user is the application's code
            fault("http.user")
            return None


class RequestState(dict[str, Any]):
    """The state of a request, which remembers the id and role that the user had when it was set.

    A commit expires SQLAlchemy's loaded attributes. Reading them at the end of the request would run a query, or fail
    because the session is closed.

    A layer around the application may hold the state that it replaces, and reads and changes that one. All access is to
    it. What this one holds itself is a copy for code in C, which reads a dictionary past its methods.

    Attributes:
        outer: The state before it.
        user: The id and the role.
    """

    __slots__ = ("outer", "user")

    outer: dict[str, Any]
    user: tuple[Any, Any]

    def __getitem__(self, key: str) -> Any:
        return self.outer[key]

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)
        self.outer[key] = value
        if key == "user":
            self._keep(value)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc] # as the overloads of dict
        self.update(other)
        return self

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        """A copy is a dictionary of its own."""
        return dict, (self.outer.copy(),)

    def _keep(self, user: Any) -> None:
        attributes = _attributes(user)
        self.user = attributes.get("id"), attributes.get("role")


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: RequestState, *args: Any) -> Any:
        return method(self.outer, *args)

    return read


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def change(self: RequestState, *args: Any, **kwargs: Any) -> Any:
        outer = self.outer
        before = outer.get("user")
        try:
            return method(outer, *args, **kwargs)
        finally:
            dict.clear(self)
            dict.update(self, outer)
            if (user := outer.get("user")) is not before:
                self._keep(user)

    return change


for _name in ("contains", "iter", "len", "eq", "ne", "or", "ror", "repr", "reversed"):
    setattr(RequestState, f"__{_name}__", _reading(f"__{_name}__"))
for _name in ("get", "keys", "values", "items", "copy"):
    setattr(RequestState, _name, _reading(_name))
for _name in ("__delitem__", "update", "setdefault", "pop", "popitem", "clear"):
    setattr(RequestState, _name, _changing(_name))


def observe_user(scope: Scope) -> None:
    """Put a `RequestState` into the scope, which copies of the scope share."""
    state = scope.setdefault("state", {})
    # Not in a mounted application: an outer middleware may hold the existing state.
    if type(state) is dict and "router" not in scope:
        kept = scope["state"] = RequestState(state)
        kept.outer = state


def find_user(scope: Scope) -> tuple[object | None, str | None] | None:
    """Return the id and role of ``request.state.user``, which a dependency or middleware sets.

    Parameters:
        scope: The request's ASGI scope, after the application has handled it.

    Returns:
        The id and the role, or ``None`` without a user.
    """
    state = scope.get("state")
    # Past the methods of ours, which are slower.
    values = state.outer if type(state) is RequestState else state
    user = values.get("user") if isinstance(values, dict) else getattr(values, "user", None)
    if user is None:
        return None
    attributes = _attributes(user)
    if attributes.get("id") is not None and "role" in attributes:  # the usual case
        return attributes["id"], attributes["role"]
    kept = getattr(state, "user", NOBODY) if isinstance(state, RequestState) else NOBODY
    if kept[1] is not None and "role" not in attributes:
        return kept
    try:
        user_id = _read(user, "id")
        return kept[0] if user_id is None else user_id, _read(user, "role")
    except Exception:  # noqa: BLE001 - a property of the application raised: there still is a user
        fault("http.user")
        return None, None


def _read(user: object, name: str) -> Any:
    """Return an attribute of a user, or ``None``. No code of the user runs except properties of unmapped classes.

    Other descriptors, ``__getattr__`` and properties of mapped classes may query a database, e.g. for expired, deferred
    or lazy attributes.
    """
    if issubclass(type(user), dict):
        return dict.get(user, name)  # type: ignore[call-overload] # mypy narrows by isinstance only, which proxies fake
    attributes = _attributes(user)
    if name in attributes:
        return attributes[name]
    for cls in type(user).__mro__:
        if name in vars(cls):
            found = vars(cls)[name]
            kind = type(found)
            if kind in _SLOTS or (issubclass(kind, _PROPERTIES) and _MAPPED.isdisjoint(attributes)):
                return found.__get__(user, type(user))
            return None if hasattr(kind, "__get__") else found
    return None


def _attributes(user: object) -> dict[str, Any]:
    """Return the object's own attributes, without running its code."""
    try:
        return vars(user)
    except Exception:  # noqa: BLE001 - no `__dict__`, or a computed one that raises
        return {}
