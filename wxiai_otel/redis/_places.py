"""Discovery of the servers behind a redis-py client, without using the client.

Only redis-py's own classes connect to the address in their options. A fake, a patched class or a class of the
application may connect to nothing or elsewhere, so its options may name the wrong server.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import redis.asyncio.connection
import redis.asyncio.sentinel
import redis.connection
import redis.sentinel
from redis.connection import parse_url
from redis.credentials import UsernamePasswordCredentialProvider

from .._backoff import Backoff
from .._genuine import comes_from
from .._questions import NotChecked
from ._link import Address

_MODULES: tuple[Any, ...] = (redis.connection, redis.asyncio.connection)
_SENTINEL_MODULES: tuple[Any, ...] = (redis.sentinel, redis.asyncio.sentinel)
_PLAIN = {module.Connection for module in _MODULES} | {m.SentinelManagedConnection for m in _SENTINEL_MODULES}
_TLS = {module.SSLConnection for module in _MODULES} | {m.SentinelManagedSSLConnection for m in _SENTINEL_MODULES}
_UNIX = {module.UnixDomainSocketConnection for module in _MODULES}
_TLS_OPTIONS = frozenset(
    "keyfile certfile cert_reqs include_verify_flags exclude_verify_flags ca_certs ca_data ca_path check_hostname "
    "password min_version ciphers".split()
)
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def _fake() -> NotChecked:
    return NotChecked("its client is a fake, or the application's own")


class Place:
    """The addresses of the servers of one Redis.

    Parameters:
        seeds: The server, the Sentinels, or the known nodes of a cluster.
        service: The name of the master that the Sentinels watch.
        behind: Everything but host and port of the servers that Sentinels or cluster nodes name.
        is_cluster: Whether the seeds are nodes of a cluster.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        *,
        service: str | None = None,
        behind: Address | None = None,
        is_cluster: bool = False,
    ) -> None:
        self.seeds = list(seeds)
        self.service = service
        self.behind = behind or self.seeds[0]
        self.is_cluster = is_cluster
        # Shared by all commands: refused credentials are refused for each of them.
        self.backoff = Backoff()


def place_of(client: Any, *, is_named: bool) -> Place:
    """Return the addresses of the servers behind a client.

    Parameters:
        client: A client of redis-py, sync or asyncio, single, by Sentinel or of a cluster; a pipeline; or a URL.
        is_named: Whether a setting names the client, which allows calls of its credential provider.

    Raises:
        NotChecked: Only the client itself can reach the servers.
    """
    if isinstance(client, str):
        parsed: dict[str, Any] = parse_url(client)  # type: ignore[no-untyped-call] # redis-py's
        its_kind = parsed.pop("connection_class", redis.connection.Connection)
        return Place([_address(parsed, its_kind, is_named)])
    attributes = _attributes(client)
    # A fake may patch only the client's class.
    genuine = comes_from(getattr(type(client), "execute_command", None), "redis")
    if (manager := attributes.get("nodes_manager")) is not None:
        return _cluster(attributes, manager, is_named=is_named, genuine=genuine)
    pool: Any = attributes.get("connection_pool")
    kind, options = _pool(pool)
    if not genuine and not _has_connected(pool):
        raise _fake()
    if (sentinel := _attributes(pool).get("sentinel_manager")) is not None:
        if not comes_from(type(sentinel), "redis"):
            raise _fake()
        pools = [_attributes(each).get("connection_pool") for each in sentinel.sentinels]
        seeds = [_address(found, its_kind, is_named) for its_kind, found in map(_pool, pools)]
        return Place(seeds, service=str(pool.service_name), behind=_address(options, kind, is_named))
    return Place([_address(options, kind, is_named)])


def _pool(pool: Any) -> tuple[type, Mapping[str, Any]]:
    """Return the connection class and the options of a redis-py pool."""
    if not comes_from(type(pool), "redis"):
        raise _fake()
    kind, options = pool.connection_class, pool.connection_kwargs
    if not isinstance(kind, type) or not isinstance(options, Mapping):
        raise _fake()
    return kind, options


def _cluster(attributes: Mapping[str, Any], manager: Any, *, is_named: bool, genuine: bool) -> Place:
    if not genuine or not comes_from(type(manager), "redis"):
        raise _fake()
    options = attributes.get("connection_kwargs") or manager.connection_kwargs
    if getattr(manager, "address_remap", None) is not None:
        raise NotChecked("the application maps the addresses of its cluster")
    kind = options.get("connection_class")
    if kind is None:
        kind = redis.connection.SSLConnection if options.get("ssl") else redis.connection.Connection
    nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
    known = _address({**options, "db": 0}, kind, is_named)
    return Place([replace(known, host=node.host, port=int(node.port)) for node in nodes], behind=known, is_cluster=True)


def _address(options: Mapping[str, Any], kind: type, is_named: bool) -> Address:  # noqa: FBT001 - internal
    if kind not in _PLAIN | _TLS | _UNIX:
        raise _fake()
    methods = (getattr(kind, name, None) for name in ("connect", "send_packed_command", "read_response"))
    hook = options.get("redis_connect_func")
    if not all(comes_from(method, "redis") for method in methods) or not (hook is None or comes_from(hook, "redis")):
        raise _fake()
    return Address(
        str(options.get("host") or "localhost"),
        int(options.get("port") or 6379),
        str(options.get("path") or "") or None if kind in _UNIX else None,
        int(options.get("db") or 0),
        _credentials(options, is_named=is_named),
        _tls(options) if kind in _TLS else None,
    )


def _credentials(options: Mapping[str, Any], *, is_named: bool) -> Callable[[], Sequence[str]] | None:
    provider = options.get("credential_provider")
    if provider is not None:
        if type(provider) is not UsernamePasswordCredentialProvider and not is_named:
            raise NotChecked("its credential_provider is the application's own")
        return lambda: [word for word in provider.get_credentials() if word]
    words = [str(word) for name in ("username", "password") if (word := options.get(name))]
    return (lambda: words) if options.get("password") else None


def _tls(options: Mapping[str, Any]) -> Callable[[], ssl.SSLContext]:
    given = {name.removeprefix("ssl_"): value for name, value in options.items() if name.startswith("ssl_") and value}
    given["cert_reqs"] = options.get("ssl_cert_reqs", "required")
    if not given.keys() <= _TLS_OPTIONS:
        raise NotChecked("its TLS options need redis-py")
    required = given["cert_reqs"]
    verify = ssl.CERT_NONE if required is None else _VERIFY.get(required, required)
    # The default depends on the version of redis-py.
    check = options.get("ssl_check_hostname", _CHECKS_HOSTNAME) and verify != ssl.CERT_NONE

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        made.check_hostname = check
        made.verify_mode = verify
        for flag in given.get("include_verify_flags", ()):
            made.verify_flags |= flag
        for flag in given.get("exclude_verify_flags", ()):
            made.verify_flags &= ~flag
        if "certfile" in given or "keyfile" in given:
            made.load_cert_chain(given.get("certfile", ""), given.get("keyfile"), given.get("password"))
        if given.keys() & {"ca_certs", "ca_path", "ca_data"}:
            made.load_verify_locations(given.get("ca_certs"), given.get("ca_path"), given.get("ca_data"))
        if "min_version" in given:
            made.minimum_version = given["min_version"]
        if "ciphers" in given:
            made.set_ciphers(given["ciphers"])
        return made

    return context


def _checks_hostname() -> bool:
    import inspect

    parameter = inspect.signature(redis.connection.SSLConnection.__init__).parameters.get("ssl_check_hostname")
    return bool(parameter.default) if parameter is not None else True


_CHECKS_HOSTNAME = _checks_hostname()


def _has_connected(pool: Any) -> bool:
    """Return whether a pool has an open connection. A fake that replaces the client's methods never opens one."""
    attributes = _attributes(pool)
    for name in ("_available_connections", "_in_use_connections", "_connections"):
        for connection in list(attributes.get(name) or ()):
            found = _attributes(connection)
            if found.get("_sock") is not None or found.get("_reader") is not None:
                return True
    return False


def _attributes(found: Any) -> Mapping[str, Any]:
    """Return the object's own attributes, without running properties of its class."""
    held = dict(getattr(found, "__dict__", ()))
    # Classes of redis.asyncio.cluster have slots.
    for kind in type(found).__mro__:
        if comes_from(kind, "redis"):
            held.update({name: getattr(found, name, None) for name in vars(kind).get("__slots__", ())})
    return held
