"""Standing in the methods by which redis-py's clients send commands.

The classes are patched, so that every client is heard, made before or after. Each wrapper does nothing but count once
`Patches.undo` was called, also where another library has wrapped it meanwhile.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from .._guard import fault
from .._own import own_traffic
from ._calls import Call, Calls, note_responses

Method = Callable[..., Any]
See = Callable[[Any], None]
Start = Callable[[Any, tuple[Any, ...]], Call | None]

_COMMANDS = (
    ("redis.client", "Redis", "execute_command"),
    ("redis.client", "Pipeline", "immediate_execute_command"),
    ("redis.cluster", "RedisCluster", "execute_command"),
)
_ASYNC_COMMANDS = (
    ("redis.asyncio.client", "Redis", "execute_command"),
    ("redis.asyncio.client", "Pipeline", "immediate_execute_command"),
    ("redis.asyncio.cluster", "RedisCluster", "execute_command"),
)
_IMMEDIATE = (("redis.cluster", "TransactionStrategy", "_immediate_execute_command"),)
_ASYNC_IMMEDIATE = (("redis.asyncio.cluster", "TransactionStrategy", "_immediate_execute_command"),)
_MESSAGES = (("redis.client", "PubSub", "execute_command"), ("redis.cluster", "ClusterPubSub", "execute_command"))
_ASYNC_MESSAGES = (
    ("redis.asyncio.client", "PubSub", "execute_command"),
    ("redis.asyncio.cluster", "ClusterPubSub", "execute_command"),
)
_PIPELINES = (("redis.client", "Pipeline", "execute"), ("redis.cluster", "ClusterPipeline", "execute"))
_ASYNC_PIPELINES = (
    ("redis.asyncio.client", "Pipeline", "execute"),
    ("redis.asyncio.cluster", "ClusterPipeline", "execute"),
)
# Where the first error among a pipeline's answers is raised: (module, class, method, position of the answers).
_FIRST_ERRORS = (
    ("redis.client", "Pipeline", "raise_first_error", 1),
    ("redis.asyncio.client", "Pipeline", "raise_first_error", 1),
    ("redis.cluster", "TransactionStrategy", "_raise_first_error", 0),
    ("redis.asyncio.cluster", "TransactionStrategy", "_raise_first_error", 0),
)
# What a cluster's client asks for itself.
_OWN_NEEDS = (
    ("redis.cluster", "NodesManager", "initialize"),
    ("redis._parsers.commands", "CommandsParser", "initialize"),
    ("redis._parsers.commands", "CommandsParser", "get_keys"),
)


class Patches:
    """The methods replaced, and how to put them back.

    Parameters:
        calls: Counts, times and traces.
        see: Is shown each client that sends; never raises.
    """

    def __init__(self, calls: Calls, see: See) -> None:
        self._see = see
        self._active = True
        self._replaced: list[tuple[type, str, Any, Method]] = []
        for start, sync, asynchronous in (
            (calls.command, _COMMANDS, _ASYNC_COMMANDS),
            (calls.immediate_command, _IMMEDIATE, _ASYNC_IMMEDIATE),
            (calls.message, _MESSAGES, _ASYNC_MESSAGES),
            (calls.pipeline, _PIPELINES, _ASYNC_PIPELINES),
        ):
            for place in sync:
                self._replace(*place, functools.partial(self._sync, start))
            for place in asynchronous:
                self._replace(*place, functools.partial(self._async, start))
        for module, owner, method, position in _FIRST_ERRORS:
            self._replace(module, owner, method, functools.partial(_noting, position))
        for place in _OWN_NEEDS:
            self._replace(*place, _as_own)

    def undo(self) -> None:
        """Put the methods back that are still ours; the others pass through."""
        self._active = False
        for owner, name, original, wrapper in reversed(self._replaced):
            if owner.__dict__.get(name) is wrapper:
                setattr(owner, name, original)

    def _replace(self, module: str, owner_name: str, name: str, wrap: Callable[[Method], Method]) -> None:
        """Replace a method that the class itself defines; an older or newer redis-py may not have it."""
        owner = getattr(importlib.import_module(module), owner_name, None)
        if owner is None or name not in owner.__dict__:
            return
        wrapper = functools.wraps(owner.__dict__[name])(wrap(getattr(owner, name)))
        self._replaced.append((owner, name, owner.__dict__[name], wrapper))
        setattr(owner, name, wrapper)

    def _begin(self, start: Start, client: Any, args: tuple[Any, ...]) -> Call | None:
        if not self._active:
            return None
        try:
            call = start(client, args)
        except Exception:  # noqa: BLE001 - the command is sent all the same
            fault("redis.start")
            return None
        if call is not None:
            self._see(client)
        return call

    def _sync(self, start: Start, original: Method) -> Method:
        def send(client: Any, *args: Any, **options: Any) -> Any:
            call = self._begin(start, client, args)
            if call is None:
                return original(client, *args, **options)
            try:
                response = original(client, *args, **options)
            except BaseException as error:
                call.fail(error)
                raise
            call.end(response)
            return response

        return send

    def _async(self, start: Start, original: Method) -> Method:
        async def send(client: Any, *args: Any, **options: Any) -> Any:
            call = self._begin(start, client, args)
            if call is None:
                return await original(client, *args, **options)
            try:
                response = await original(client, *args, **options)
            except BaseException as error:
                call.fail(error)
                raise
            call.end(response)
            return response

        return send


def _noting(position: int, original: Method) -> Method:
    def raise_first_error(self: Any, *args: Any, **options: Any) -> Any:
        try:
            note_responses(args[position])
        except Exception:  # noqa: BLE001 - the client raises what it would
            fault("redis.responses")
        return original(self, *args, **options)

    return raise_first_error


def _as_own(original: Method) -> Method:
    def ask(self: Any, *args: Any, **options: Any) -> Any:
        with own_traffic():
            return original(self, *args, **options)

    return ask
