"""What Redis holds, by INFO, asked in the background over a connection of our own."""

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from .._background import Periodic
from .._guard import fault
from ..instruments import Values
from ._servers import Servers, servers_of

logger = logging.getLogger("wxiai_otel")


class InfoPoller:
    """Polls INFO of the first client seen, or of the one that is named.

    Parameters:
        client: The client, or the URL, to ask; ``None``: the first that is seen.
        interval: Seconds between two polls.
        timeout: Seconds that connecting, or an answer, may take.
    """

    def __init__(self, client: Any, interval: float, timeout: float) -> None:
        self._timeout = timeout
        self._servers: Servers | None = None
        self._used: float | None = None
        self._ratio: float | None = None
        self._failing = False
        self._polling = Periodic("wxiai-otel-redis-info", interval, self._poll, self._forget)
        if client is not None:
            self.see(client)

    def see(self, client: Any) -> None:
        """A client is in use; the first one says which Redis is asked."""
        if self._servers is not None:
            return
        try:
            # No lock: a destructor that uses Redis may interrupt this.
            servers = servers_of(client)
            self._servers = self._servers or servers
            self._polling.start()
        except Exception:  # noqa: BLE001 - the client's command is still to be sent
            fault("redis.see")

    def ping(self) -> bool:
        """Ask each server whether it is there; whether there is any to ask.

        Raises:
            redis.RedisError: One does not answer.
        """
        if self._servers is None:
            return False
        for client in self._servers(self._timeout):
            with closing(client):
                client.ping()
        return True

    def stop(self) -> None:
        """Poll no more."""
        self._polling.stop()

    def observe_size(self) -> Iterator[tuple[Values, float]]:
        """Bytes used; none while Redis does not answer."""
        if (used := self._used) is not None:
            yield (), used

    def observe_ratio(self) -> Iterator[tuple[Values, float]]:
        """The part of the memory allowed that is used; none while Redis does not answer."""
        if (ratio := self._ratio) is not None:
            yield (), ratio

    def _forget(self) -> None:
        self._used = self._ratio = None

    def _poll(self) -> None:
        servers = self._servers
        if servers is None:
            return
        try:
            used, limit = self._ask(servers)
            self._used = used
            self._ratio = used / limit if limit else None
            self._failing = False
        except Exception as error:  # noqa: BLE001 - Redis may fail in any way, and may answer again
            self._used = self._ratio = None
            if not self._failing:
                self._failing = True
                logger.warning("INFO of Redis failed: %s; cache size and memory are not reported", type(error).__name__)

    def _ask(self, servers: Servers) -> tuple[float, float]:
        """Bytes used, and bytes allowed, of all servers together."""
        used = limit = 0.0
        for client in servers(self._timeout):
            with closing(client):
                memory = client.info("memory")
            used += memory["used_memory"]
            limit += memory.get("maxmemory") or memory.get("total_system_memory", 0)
        return used, limit
