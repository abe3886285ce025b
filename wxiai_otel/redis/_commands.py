"""What a Redis command is to the contract: its operation, the keys that it reads, and whether it waits."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

GET, SET, DELETE, OTHER = "get", "set", "delete", "other"
HIT, MISS, SUCCESS, ERROR = "hit", "miss", "success", "error"

# Redis has none that is longer; an application may be given anything.
MAX_NAME = 64

_OPERATIONS = {
    **dict.fromkeys(("GET", "MGET", "HGET", "HMGET", "HGETALL", "GETEX", "GETDEL"), GET),
    **dict.fromkeys(("SET", "SETEX", "PSETEX", "SETNX", "MSET", "HSET"), SET),
    **dict.fromkeys(("DEL", "UNLINK", "HDEL"), DELETE),
}
# Arguments before the keys, or fields, that are read one by one.
_READ_EACH = {"MGET": 0, "HMGET": 1}
_BLOCKING = frozenset(
    ("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF")
)
_BLOCKING_BY_OPTION = frozenset(("XREAD", "XREADGROUP"))
# Commands whose second word says what is done; in any other it is a key.
_CONTAINERS = frozenset(
    "ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SENTINEL SLOWLOG "
    "XGROUP XINFO".split()
)


class Command(NamedTuple):
    """A command as redis-py is given it, in one form: name in capitals, arguments without it."""

    name: str
    arguments: tuple[Any, ...]

    @property
    def operation(self) -> str:
        """The contract's operation."""
        return _OPERATIONS.get(self.name, OTHER)

    @property
    def is_blocking(self) -> bool:
        """Whether the command may wait for something to happen: that is no latency."""
        if self.name in _BLOCKING_BY_OPTION:
            return any(_text(argument).upper() == "BLOCK" for argument in self.arguments)
        return self.name in _BLOCKING

    @property
    def full_name(self) -> str:
        """The name with its subcommand, where there is one."""
        if self.name in _CONTAINERS and self.arguments:
            return f"{self.name} {_text(self.arguments[0])[:MAX_NAME].upper()}"
        return self.name

    def results(self, response: Any) -> Iterator[tuple[str, int]]:
        """How often to count each result: once for every key that is read, otherwise once.

        Parameters:
            response: What Redis answered, or the exception.
        """
        reading = self.operation == GET
        each = _READ_EACH.get(self.name)
        # NOSCRIPT means that the caller sends the whole script next: nothing failed.
        if isinstance(response, BaseException) and not isinstance(response, NoScriptError):
            yield ERROR, 1 if each is None else max(1, len(self.arguments) - each)
        elif not reading:
            yield SUCCESS, 1
        elif each is not None and isinstance(response, Sequence):
            misses = sum(value is None for value in response)
            if hits := len(response) - misses:
                yield HIT, hits
            if misses:
                yield MISS, misses
        else:
            missing = not response if self.name == "HGETALL" else response is None
            yield (MISS if missing else HIT), 1


def read(arguments: Sequence[Any]) -> Command:
    """Read a command from the arguments of ``execute_command``, where the first may hold several words."""
    if not arguments:
        return Command("", ())
    first = arguments[0]
    name, words = _words(first if isinstance(first, str) else _text(first))
    return Command(name, (*words, *arguments[1:]))


def queued(pipeline: Any) -> tuple[list[Command], list[Any]]:
    """The commands that a pipeline is about to send, and its own entries of them."""
    strategy = getattr(pipeline, "_execution_strategy", None)
    if strategy is not None:
        queue = strategy._command_queue  # noqa: SLF001 - a cluster's pipeline of redis.asyncio has no public name for it
    elif hasattr(pipeline, "command_stack"):
        queue = pipeline.command_stack
    else:
        queue = pipeline._command_stack  # noqa: SLF001 - the same, before redis-py 6
    queue = list(queue)
    return [read(entry.args if hasattr(entry, "args") else entry[0]) for entry in queue], queue


@lru_cache(maxsize=512)
def _words(first: str) -> tuple[str, tuple[str, ...]]:
    name, *words = first.split() or [""]
    return name[:MAX_NAME].upper(), tuple(words)


def _text(argument: object) -> str:
    if isinstance(argument, bytes | bytearray | memoryview):
        return bytes(argument).decode("latin-1")
    return str(argument)
