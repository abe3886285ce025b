"""The Redis in which all workers keep what they share: users seen, tasks ended."""

import threading
from collections.abc import Callable
from typing import Any

import redis

from .._background import in_forked_child
from .._guard import fault
from ._servers import shared_client_of


class StateRedis:
    """A connection of our own to the Redis that is named, or else to that of the first client seen.

    Parameters:
        client: The client or URL; ``None``: the first client that is seen.
        timeout: Seconds that connecting, or an answer, may take.
        prefix: What all keys begin with.
    """

    def __init__(self, client: Any, timeout: float, prefix: str) -> None:
        self._timeout = timeout
        self._prefix = prefix
        self._connect: Callable[[float], redis.Redis | redis.RedisCluster] | None = None
        self._client: redis.Redis | redis.RedisCluster | None = None
        self._lock = threading.Lock()
        in_forked_child(self._renew)
        if client is not None:
            self.see(client)

    def see(self, client: Any) -> None:
        """A client is in use; the first one says which Redis it is."""
        try:
            if self._connect is None:
                self._connect = shared_client_of(client)
        except Exception:  # noqa: BLE001 - the client's command is still to be sent
            fault("redis.state")

    @property
    def is_known(self) -> bool:
        """Whether there is such a Redis; that it answers is another matter."""
        return self._connect is not None

    def client(self, group: str) -> redis.Redis:
        """The client for the keys of a group, connected at its first use; in a cluster that of their node.

        Raises:
            redis.RedisError: A cluster or Sentinel does not answer.
        """
        with self._lock:
            if self._client is None:
                if self._connect is None:
                    raise redis.ConnectionError("no client of Redis has been used yet")
                self._client = self._connect(self._timeout)
            client = self._client
            if isinstance(client, redis.RedisCluster):
                node: Any = client.get_node_from_key(self.key(group, ""))  # type: ignore[no-untyped-call] # redis-py's
                return client.get_redis_connection(node)
            return client

    def key(self, group: str, name: str) -> str:
        """A key; all keys of a group are in one slot of a cluster."""
        return f"{self._prefix}:{{{group}}}:{name}"

    def forget(self) -> None:
        """Connect anew at the next use: the server may be another one now."""
        with self._lock:
            self._client = None

    def _renew(self) -> None:
        """In a forked child: the parent's lock may be held, and its connections are its own."""
        self._lock = threading.Lock()
        self._client = None
