"""Parsers of setting values: each takes what an argument or an environment variable gave, or says what is allowed."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ._redaction import redacted

Parser = Callable[[object], object]


class NotAllowed(Exception):
    """The value is not allowed; the message says what is."""


_MAX_SHOWN = 200
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_TIME_ZONES = "a time zone of the IANA database, such as Asia/Shanghai"
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def shown(value: object) -> str:
    """Return a value, which is no secret, as an error message can have it."""
    try:
        written = repr(value)
    except Exception:  # noqa: BLE001 - Python writes no whole number of thousands of digits; others' repr may do anything
        written = f"a {type(value).__name__}"
    # A secret may have come to the wrong setting.
    found = redacted(written, limit=_MAX_SHOWN)
    return found if len(written) <= _MAX_SHOWN else f"{found}…"


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise NotAllowed(f"true or false, also written as {', '.join((*_TRUE[1:], *_FALSE[1:]))}")


def text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise NotAllowed("a string")


class Choice:
    """A parser of one of some words.

    Parameters:
        allowed: The words.
    """

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def __call__(self, value: object) -> str:
        """Return the word that a value is."""
        word = value.strip().lower() if isinstance(value, str) else None
        if word in self.allowed:
            return word
        raise NotAllowed("one of " + ", ".join(self.allowed))


def positive_float(value: object) -> float:
    number = _number(value)
    if number is None or not math.isfinite(number) or number <= 0:
        raise NotAllowed("a number greater than 0")
    return number


def share(value: object) -> float:
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise NotAllowed("a number from 0 to 1")
    return number


def milliseconds(value: object) -> float:
    """A number of milliseconds, as OpenTelemetry's variables have it, in seconds."""
    try:
        return positive_float(value) / 1000
    except NotAllowed:
        raise NotAllowed("a number of milliseconds greater than 0") from None


def positive_int(value: object) -> int:
    number = _number(value)
    if number is None or not math.isfinite(number) or number != int(number) or number < 1:
        raise NotAllowed("a whole number of at least 1")
    return int(number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def names(value: object) -> tuple[str, ...]:
    """A list of words; in the environment they are separated by commas."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        words = tuple(value)
        if all(isinstance(word, str) and word.strip() for word in words):
            return words
    raise NotAllowed("a list of words, separated by commas in the environment")


def paths(value: object) -> tuple[str, ...]:
    try:
        found = names(value)
    except NotAllowed:
        found = None
    if found is None or not all(path.startswith("/") and "*" not in path[:-1] for path in found):
        raise NotAllowed("a list of paths that begin with / and may end with *")
    return found


def templates(value: object) -> tuple[str, ...]:
    try:
        found = names(value)
    except NotAllowed:
        found = None
    if found is None or not all(path.startswith("/") and "*" not in path for path in found):
        raise NotAllowed("a list of the routes' templates, such as /api/{version}/login")
    return found


def path_prefix(value: object) -> str:
    if isinstance(value, str) and _PREFIX.fullmatch(value.rstrip("/")):
        return value.rstrip("/")
    raise NotAllowed("a path such as /monitoring")


def url(value: object) -> str:
    if value == "":
        return ""
    if isinstance(value, str):
        try:
            parts = urlsplit(value.strip())
            allowed = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            allowed = False
        if allowed:
            return value.strip()
    raise NotAllowed("an http:// or https:// URL")


def function(value: object) -> object:
    if value is None or callable(value):
        return value
    raise NotAllowed("a callable, or None")


def mapping(value: object) -> object:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise NotAllowed("a dictionary with names as keys")


def redis_client(value: object) -> object:
    if isinstance(value, str):
        try:
            allowed = urlsplit(value).scheme in {"redis", "rediss", "unix"}
        except ValueError:
            allowed = False
    else:
        allowed = hasattr(value, "connection_pool") or hasattr(value, "nodes_manager")
    if allowed:
        return value
    raise NotAllowed("a client of redis-py, or a redis://, rediss:// or unix:// URL")


def state_redis(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "memory":
        return "memory"
    try:
        return redis_client(value)
    except NotAllowed as allowed:
        raise NotAllowed(f"{allowed}, or memory") from None


def time_zone(value: object) -> str:
    if isinstance(value, str):
        try:
            return ZoneInfo(value.strip()).key
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise NotAllowed(_TIME_ZONES) from None
    raise NotAllowed(_TIME_ZONES)


def networks(value: object) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(word.strip())) for word in names(value))
    except (NotAllowed, ValueError):
        raise NotAllowed("a list of IP addresses or networks, such as 10.0.0.0/8") from None


def question(value: object) -> object:
    if callable(value) or (isinstance(value, str) and value.strip()):
        return value
    raise NotAllowed("a callable, or SQL for one number")


def engine(value: object) -> object:
    found = getattr(value, "sync_engine", value)
    if hasattr(found, "dialect") and hasattr(found, "pool"):
        return value
    raise NotAllowed("an engine of SQLAlchemy, sync or async")


def checks(value: object) -> object:
    if isinstance(value, Mapping) and all(isinstance(key, str) and callable(value[key]) for key in value):
        return value
    raise NotAllowed("a dictionary of callables by name")


def probes(value: object) -> object:
    if isinstance(value, Mapping) and all(isinstance(key, str) and _is_probe(value[key]) for key in value):
        return value
    raise NotAllowed("a dictionary by service of http:// or https:// URLs, tcp://host:port, or callables")


def _is_probe(value: object) -> bool:
    if not isinstance(value, str):
        return callable(value)
    try:
        parts = urlsplit(value)
        if parts.scheme == "tcp":
            return bool(parts.hostname) and parts.port is not None
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
