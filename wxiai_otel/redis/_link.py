"""A connection of our own to a Redis server, on a plain socket.

It uses no class of redis-py. An application may have subclassed, patched or replaced these classes by fakes, which must
neither see nor answer our queries.
"""

import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from redis import exceptions

from .._deadline import left

Word = str | bytes | int | float
Reply = Any

_MAX_LINE = 64 * 1024
_MAX_REPLY = 64 * 1024 * 1024
_MAX_DEPTH = 8
_LEAST_SECONDS = 0.001

# First words of errors: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
_ERRORS: Mapping[str, type[exceptions.RedisError]] = {
    "NOAUTH": exceptions.AuthenticationError,
    "WRONGPASS": exceptions.AuthenticationError,
    "NOPERM": exceptions.NoPermissionError,
    "LOADING": exceptions.BusyLoadingError,
    "READONLY": exceptions.ReadOnlyError,
    "EXECABORT": exceptions.ExecAbortError,
}
_NOT_LET_IN = ("max number of clients", "invalid password", "invalid username-password", "AUTH")


@dataclass(frozen=True, slots=True)
class Address:
    """The address and credentials of a server.

    Parameters:
        host: Host name or IP address.
        port: TCP port.
        path: Unix socket, instead of host and port.
        db: Number of the database.
        credentials: Returns the arguments of ``AUTH``; ``None`` if the server needs none.
        tls: Creates the TLS context; ``None`` for plain TCP.
    """

    host: str
    port: int
    path: str | None = None
    db: int = 0
    credentials: Callable[[], Sequence[str]] | None = field(default=None, repr=False)
    tls: Callable[[], ssl.SSLContext] | None = field(default=None, repr=False)


class Link:
    """A connection that opens at its first use and stays open, for one thread at a time.

    Parameters:
        address: The server.
        timeout: Seconds that connecting, or each part of a reply, may take.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._replies: Any = None
        self._process = 0

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The next use opens another one."""
        opened, self._socket, self._replies = self._socket, None, None
        if opened is not None:
            with suppress(OSError):
                opened.close()

    def send(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Send commands at once and return their replies, which may be errors.

        Raises:
            redis.RedisError: The server cannot be reached, refuses our credentials, or does not reply.
        """
        try:
            if not self._is_usable():
                self._open()
            return self._exchange(commands)
        except TimeoutError as error:
            self.close()
            raise redis.TimeoutError("no reply in time") from error
        except OSError as error:
            self.close()
            raise redis.ConnectionError(type(error).__name__) from error
        except BaseException:
            self.close()
            raise

    def _is_usable(self) -> bool:
        if self._socket is None:
            return False
        if self._process != os.getpid():  # opened before a fork: the parent uses it
            self.close()
            return False
        self._socket.settimeout(0)
        try:
            # Unexpected data: the server has closed the connection, or an earlier reply is late.
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._socket.settimeout(self._patience())
            return True
        except OSError:
            pass
        self.close()
        return False

    def _open(self) -> None:
        self.close()
        self._process = os.getpid()
        address = self._address
        if address.path is not None:
            opened = self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            opened.settimeout(self._patience())
            opened.connect(address.path)
        else:
            opened = self._socket = socket.create_connection((address.host, address.port), self._patience())
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is not None:
            self._socket = address.tls().wrap_socket(opened, server_hostname=address.host)
        self._replies = self._socket.makefile("rb")
        greeting: list[Sequence[Word]] = []
        if address.credentials is not None and (words := address.credentials()):
            greeting.append(("AUTH", *words))
        if address.db:
            greeting.append(("SELECT", address.db))
        for reply in self._exchange(greeting):
            if isinstance(reply, Exception):
                raise reply

    def _patience(self) -> float:
        """Return the timeout, in seconds, cut at the deadline of the current work. 0 would mean not to block at all."""
        return max(_LEAST_SECONDS, left(self._timeout))

    def _exchange(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        if not commands or self._socket is None:
            return []
        self._socket.sendall(b"".join(map(_packed, commands)))
        return [self._reply(_MAX_DEPTH) for _ in commands]

    def _reply(self, depth: int) -> Reply:
        line: bytes = self._replies.readline(_MAX_LINE)
        if not line:
            raise redis.ConnectionError("closed by the server")
        kind, rest = line[:1], line[1:-2]
        if line.endswith(b"\r\n"):
            if kind == b"+":
                return rest
            if kind == b"-":
                return _error(rest.decode("utf-8", "replace"))
            try:
                number = int(rest)
            except ValueError:
                raise redis.InvalidResponse("no RESP") from None
            if kind == b":":
                return number
            if kind == b"$" and number <= _MAX_REPLY:
                return None if number < 0 else self._data(number)
            if kind == b"*" and number <= _MAX_REPLY and depth:
                return None if number < 0 else [self._reply(depth - 1) for _ in range(number)]
        raise redis.InvalidResponse("no RESP")

    def _data(self, length: int) -> bytes:
        data: bytes = self._replies.read(length + 2)
        if len(data) != length + 2:
            raise redis.ConnectionError("closed by the server")
        return data[:-2]


def is_refusal(error: Exception) -> bool:
    """Return whether a server refuses our credentials or a command, so that an early retry changes nothing."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return True
    return isinstance(error, redis.ResponseError) and "unknown command" in str(error)


def _error(text: str) -> exceptions.RedisError:
    if text.startswith("ERR ") and any(words in text for words in _NOT_LET_IN):
        return exceptions.AuthenticationError(text)
    return _ERRORS.get(text.partition(" ")[0], redis.ResponseError)(text)


def _packed(words: Sequence[Word]) -> bytes:
    parts = [_bytes(word) for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _bytes(word: Word) -> bytes:
    if isinstance(word, bytes):
        return word
    return word.encode("utf-8", "surrogatepass") if isinstance(word, str) else repr(word).encode("ascii")
