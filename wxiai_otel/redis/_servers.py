"""The servers behind a client, each by a plain client of our own: the application's may belong to an event loop."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import ref

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

Servers = Callable[[float], Iterator[redis.Redis]]

_ACCESS = frozenset(("username", "password", "credential_provider", "protocol"))
_ADDRESS = frozenset(("host", "port", "db"))
_KNOWN = frozenset(inspect.signature(redis.Redis.__init__).parameters)


def servers_of(client: Any) -> Servers:
    """What gives, at each call with a timeout in seconds, a client for every server that holds data.

    Parameters:
        client: A client of redis-py, sync or asyncio, single, by Sentinel or of a cluster; a pipeline; or a URL.
    """
    if isinstance(client, str):
        client = redis.Redis.from_url(client)
    if hasattr(client, "nodes_manager"):
        return _cluster(client)
    pool = client.connection_pool
    if hasattr(pool, "sentinel_manager"):
        return _sentinel(pool)
    options = _options(pool)

    def single(timeout: float) -> Iterator[redis.Redis]:
        yield _client(timeout, **options)

    return single


def shared_client_of(client: Any) -> Callable[[float], Any]:
    """What makes, with a timeout in seconds, one sync client of our own for all data behind a client.

    Parameters:
        client: As for `servers_of`.
    """
    if isinstance(client, str):
        client = redis.Redis.from_url(client)
    if not hasattr(client, "nodes_manager"):
        servers = servers_of(client)
        return lambda timeout: next(servers(timeout))
    options = _kept(getattr(client, "connection_kwargs", None) or client.nodes_manager.connection_kwargs, _ACCESS)
    nodes = [(node.host, node.port) for node in client.get_nodes()] or [
        (node.host, node.port) for node in client.nodes_manager.startup_nodes.values()
    ]

    def cluster(timeout: float) -> Any:
        return redis.RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes],  # type: ignore[no-untyped-call] # as above
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            **options,
        )

    return cluster


def _cluster(client: Any) -> Servers:
    cluster = ref(client)
    options = getattr(client, "connection_kwargs", None) or client.nodes_manager.connection_kwargs
    known: list[tuple[str, int]] = []

    def primaries(timeout: float) -> Iterator[redis.Redis]:
        if (alive := cluster()) is not None:
            known[:] = [(node.host, node.port) for node in alive.get_primaries()]
        for host, port in known:
            yield _client(timeout, **_kept(options, _ACCESS), host=host, port=port)

    return primaries


def _sentinel(pool: Any) -> Servers:
    manager = pool.sentinel_manager
    service = pool.service_name
    sentinels = [_options(sentinel.connection_pool) for sentinel in manager.sentinels]
    options = _kept(pool.connection_kwargs, _ACCESS | {"db"})

    def master(timeout: float) -> Iterator[redis.Redis]:
        current: Any = Sentinel([])  # type: ignore[no-untyped-call] # redis-py's class is not typed
        current.sentinels = [_client(timeout, **sentinel) for sentinel in sentinels]
        host, port = current.discover_master(service)
        yield _client(timeout, **options, host=host, port=port)

    return master


def _options(pool: Any) -> dict[str, Any]:
    options = _kept(pool.connection_kwargs, _ACCESS | _ADDRESS)
    if path := pool.connection_kwargs.get("path"):
        options["unix_socket_path"] = path
    if "SSL" in pool.connection_class.__name__:
        options["ssl"] = True
    return options


def _kept(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in options.items()
        if name in _KNOWN and value is not None and (name in names or name.startswith("ssl"))
    }


def _client(timeout: float, **options: Any) -> redis.Redis:
    return redis.Redis(**options, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))
