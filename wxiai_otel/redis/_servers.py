"""Queries to the servers of one Redis, over connections of our own that stay open."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import redis
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, NoPermissionError

from .._backoff import Backoff
from ._link import Address, Link, Reply, Word, is_refusal
from ._places import Place

T = TypeVar("T")


class Servers:
    """The servers of one Redis, for queries from one thread.

    A refused command is not repeated for a while, and its connection stays open.

    Parameters:
        place: The addresses of the servers.
        timeout: Seconds that connecting, or a reply, may take.
    """

    def __init__(self, place: Place, timeout: float) -> None:
        self._place = place
        self._timeout = timeout
        self._links: dict[Address, Link] = {}
        self._holders: dict[str, Address] = {}
        self._backoffs: dict[Word, Backoff] = {}

    def ping(self) -> None:
        """Check that every primary replies. A reply that our user must not use PING counts.

        Raises:
            redis.RedisError: A primary does not reply, or refuses our credentials.
        """

        def ping() -> None:
            for address in self._primaries():
                (reply,) = self._link(address).send([("PING",)])
                if isinstance(reply, Exception) and not isinstance(reply, NoPermissionError):
                    raise reply

        self._guarded("PING", ping)

    def of_each(self, *words: Word) -> list[Reply]:
        """Send a command to every primary, and return the replies.

        Raises:
            redis.RedisError: A primary does not reply, or replies with an error.
        """
        return self._guarded(
            words[0], lambda: [reply for address in self._primaries() for reply in self._sent(address, [words])]
        )

    def of_key(self, key: str, commands: Sequence[Sequence[Word]], *, transaction: bool = False) -> list[Reply]:
        """Send commands to the primary that holds a key, and return the replies.

        Parameters:
            key: Any of the commands' keys, which are all in one slot of a cluster.
            commands: The commands.
            transaction: Whether to send the commands within MULTI and EXEC.

        Raises:
            redis.RedisError: The primary does not reply, or replies with an error.
        """
        sent = [("MULTI",), *commands, ("EXEC",)] if transaction else commands
        replies = self._guarded(commands[0][0], lambda: self._sent(self._holder(key), sent))
        return list(replies[-1]) if transaction else replies

    def _guarded(self, command: Word, query: Callable[[], T]) -> T:
        letting_in, backoff = self._place.backoff, self._backoffs.setdefault(command, Backoff())
        letting_in.wait_over()
        backoff.wait_over()
        try:
            found = query()
        except Exception as error:
            if isinstance(error, AuthenticationError):
                letting_in.refused(error)
            elif is_refusal(error):
                backoff.refused(error)
            if not isinstance(error, NoPermissionError):
                # Another server may be the primary by now.
                self._close()
            raise
        letting_in.answered()
        backoff.answered()
        return found

    def _sent(self, address: Address, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        replies = self._link(address).send(commands)
        for reply in _flat(replies):
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _link(self, address: Address) -> Link:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(address, self._timeout)
        return link

    def _close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._holders.clear()

    def _primaries(self) -> list[Address]:
        if self._place.is_cluster:
            return list(dict.fromkeys(address for _, _, address in self._slots()))
        return [self._single()]

    def _holder(self, key: str) -> Address:
        if not self._place.is_cluster:
            return self._single()
        holder = self._holders.get(key)
        if holder is None:
            slot = key_slot(key.encode())
            found = (address for first, last, address in self._slots() if first <= slot <= last)
            holder = self._holders[key] = next(found, self._place.seeds[0])
        return holder

    def _single(self) -> Address:
        if self._place.service is None:
            return self._place.seeds[0]
        found = self._first(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._place.service))
        if not isinstance(found, list) or len(found) != 2:  # noqa: PLR2004 - host and port
            raise redis.ConnectionError("no Sentinel knows the master")
        host, port = found
        return replace(self._place.behind, host=host.decode(), port=int(port))

    def _slots(self) -> list[tuple[int, int, Address]]:
        found: list[tuple[int, int, Address]] = []
        for first, last, node, *_ in self._first(("CLUSTER", "SLOTS")):
            # A node that does not know its own address omits it.
            host = node[0].decode() if node[0] else self._place.seeds[0].host
            found.append((first, last, replace(self._place.behind, host=host, port=node[1])))
        if found:
            # These nodes may still exist when those that the client knew are gone.
            known = dict.fromkeys([address for _, _, address in found] + self._place.seeds)
            self._place.seeds = list(known)[:_MAX_SEEDS]
        return found

    def _first(self, words: Sequence[Word]) -> Any:
        """Return the first reply of a seed that is not an error."""
        failure: Exception = redis.ConnectionError("no server is known")
        for address in self._place.seeds:
            try:
                (reply,) = self._sent(address, [words])
            except Exception as error:  # noqa: BLE001 - another seed may reply
                failure = error
                continue
            if reply is not None:
                return reply
        raise failure


_MAX_SEEDS = 64


def _flat(replies: Sequence[Reply]) -> Iterator[Reply]:
    for reply in replies:
        if isinstance(reply, list):
            yield from _flat(reply)
        else:
            yield reply
