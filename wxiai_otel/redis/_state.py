"""The Redis in which all workers keep what they share: users seen, tasks ended."""

from collections.abc import Sequence
from typing import Any

import redis

from .._guard import fault
from .._questions import NotChecked
from ._link import Reply, Word
from ._places import Place, place_of
from ._servers import Servers


class Group:
    """A group of keys on one server, for one thread at a time.

    Parameters:
        servers: The servers, which no other group uses.
        key: Any key of the group.
    """

    def __init__(self, servers: Servers, key: str) -> None:
        self._servers = servers
        self._key = key

    def send(self, *words: Word) -> Reply:
        """Send a command and return the reply. Raises as `send_all`."""
        return self.send_all([words])[0]

    def send_all(self, commands: Sequence[Sequence[Word]], *, transaction: bool = False) -> list[Reply]:
        """Send commands in one round trip and return the replies.

        Raises:
            redis.RedisError: The server does not reply, replies with an error, or has recently refused such commands.
        """
        return self._servers.of_key(self._key, commands, transaction=transaction)


class StateRedis:
    """Connections of our own to the named Redis, or else to that of the first client seen.

    Parameters:
        client: The client or URL; ``None`` for the first client that is seen.
        timeout: Seconds that connecting, or a reply, may take.
        prefix: Prefix of all keys.
    """

    def __init__(self, client: Any, timeout: float, prefix: str) -> None:
        self._timeout = timeout
        self._prefix = prefix
        self._place: Place | None = None
        self._groups: dict[str, Group] = {}
        self._named = client
        if client is not None:
            self._learn()

    def see(self, client: Any) -> None:
        """Take the Redis from the named client, or else from one in use, unless it is known already."""
        if self._place is None:
            self._learn(client)

    def _learn(self, client: Any = None) -> None:
        named = self._named
        try:
            self._place = place_of(client if named is None else named, is_named=named is not None)
        except NotChecked:
            pass  # shared state stays in this process
        except Exception:  # noqa: BLE001 - the client's command is still to be sent
            fault("redis.state")

    @property
    def is_known(self) -> bool:
        """Return whether the Redis is known. It may be down."""
        return self._place is not None

    def client(self, group: str) -> Group:
        """Return the connection for the keys of a group. It opens at its first use.

        Raises:
            redis.ConnectionError: The application has not used a Redis client yet.
        """
        found = self._groups.get(group)
        if found is None:
            if self._place is None:
                raise redis.ConnectionError("no client of Redis has been used yet")
            found = self._groups.setdefault(group, Group(Servers(self._place, self._timeout), self.key(group, "")))
        return found

    def key(self, group: str, name: str) -> str:
        """A key; all keys of a group are in one slot of a cluster."""
        return f"{self._prefix}:{{{group}}}:{name}"
