"""Memory metrics of Redis from INFO, polled in the background over connections of our own."""

import logging
from collections.abc import Iterator
from typing import Any

from .._background import Periodic
from .._guard import fault
from .._questions import NotChecked
from ..instruments import Values
from ._places import place_of
from ._servers import Servers

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
        # One for each querying thread: the poller and the health checks.
        self._servers: dict[str, tuple[Servers, Servers]] = {}
        self._unreachable: NotChecked | None = None
        self._used: float | None = None
        self._ratio: float | None = None
        self._failing = False
        self._polling = Periodic("wxiai-otel-redis-info", interval, self._poll, self._forget)
        self._named = client
        if client is not None:
            self._learn()

    def see(self, client: Any) -> bool:
        """Take the Redis to poll from the named client, or else from one in use. Return whether it is known."""
        if not self._servers:
            self._learn(client)
        return bool(self._servers)

    def _learn(self, client: Any = None) -> None:
        named = self._named
        try:
            place = place_of(client if named is None else named, is_named=named is not None)
            found = (Servers(place, self._timeout), Servers(place, self._timeout))
            if self._servers.setdefault("", found) is found:  # another thread may be learning
                self._polling.start()
        except NotChecked as reason:
            self._unreachable = reason
        except Exception:  # noqa: BLE001 - the client still has to send its command
            fault("redis.see")

    def ping(self) -> bool:
        """Check that every server replies.

        Returns:
            Whether a server is known.

        Raises:
            NotChecked: Only the application's client can reach the server.
            redis.RedisError: A server does not reply.
        """
        if not self._servers:
            if self._unreachable is not None:
                raise self._unreachable
            return False
        self._servers[""][1].ping()
        return True

    def stop(self) -> None:
        """Stop polling."""
        self._polling.stop()

    def observe_size(self) -> Iterator[tuple[Values, float]]:
        """Yield the used memory in bytes; nothing while Redis does not answer."""
        if (used := self._used) is not None:
            yield (), used

    def observe_ratio(self) -> Iterator[tuple[Values, float]]:
        """Yield the used share of the allowed memory; nothing while Redis does not answer."""
        if (ratio := self._ratio) is not None:
            yield (), ratio

    def _forget(self) -> None:
        self._used = self._ratio = None

    def _poll(self) -> None:
        try:
            used, limit = self._ask(self._servers[""][0])
            self._used = used
            self._ratio = used / limit if limit else None
            self._failing = False
        except Exception as error:  # noqa: BLE001 - Redis may fail in any way, and may answer again
            self._used = self._ratio = None
            if not self._failing:
                self._failing = True
                logger.warning("INFO of Redis failed: %s; cache size and memory are not reported", type(error).__name__)

    def _ask(self, servers: Servers) -> tuple[float, float]:
        """Return the used and the allowed bytes of all servers together."""
        used = limit = 0.0
        for reply in servers.of_each("INFO", "memory"):
            lines = (line.partition(b":") for line in reply.splitlines())
            memory = {name: int(value) for name, _, value in lines if name in _NUMBERS}
            used += memory[b"used_memory"]
            limit += memory.get(b"maxmemory") or memory.get(b"total_system_memory", 0)
        return used, limit


_NUMBERS = frozenset((b"used_memory", b"maxmemory", b"total_system_memory"))
