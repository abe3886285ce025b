"""Standing in the methods by which redis-py's clients send commands.

The classes are patched, so that every client is heard, made before or after. Each wrapper does nothing but count once
`Patches.undo` was called, also where another library has wrapped it meanwhile.
"""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from .._guard import fault
from .._own import own_traffic
from ._attempts import Attempts, current_attempts
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
_MONITORS = (("redis.client", "Monitor", "__enter__"),)
_ASYNC_MONITORS = (("redis.asyncio.client", "Monitor", "__aenter__"),)
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
# Clients that send each call through other clients, one for each database.
_MULTI_COMMANDS = (("redis.multidb.client", "MultiDBClient", "execute_command"),)
_ASYNC_MULTI_COMMANDS = (("redis.asyncio.multidb.client", "MultiDBClient", "execute_command"),)
_MULTI_PIPELINES = (("redis.multidb.client", "Pipeline", "execute"),)
_ASYNC_MULTI_PIPELINES = (("redis.asyncio.multidb.client", "Pipeline", "execute"),)
# Calls in which redis-py sends different commands for one purpose, the last of which counts.
_REPEATING = (
    ("redis.commands.core", "Script", "__call__"),
    ("redis.commands.core", "AsyncScript", "__call__"),
    ("redis.lock", "Lock", "acquire"),
    ("redis.asyncio.lock", "Lock", "acquire"),
)
# Calls that redis-py repeats as a whole, with all their commands.
_REPEATED = (
    ("redis.multidb.command_executor", "DefaultCommandExecutor", "execute_transaction"),
    ("redis.multidb.command_executor", "DefaultCommandExecutor", "execute_pubsub_method"),
    ("redis.asyncio.multidb.command_executor", "DefaultCommandExecutor", "execute_transaction"),
    ("redis.asyncio.multidb.command_executor", "DefaultCommandExecutor", "execute_pubsub_method"),
)
_FAILED_ATTEMPTS = (
    ("redis.multidb.command_executor", "DefaultCommandExecutor", "_on_command_fail"),
    ("redis.asyncio.multidb.command_executor", "DefaultCommandExecutor", "_on_command_fail"),
)
# Commands that a client sends on its own: cluster slots, a Sentinel's master, health checks, renewed subscriptions.
_OWN_NEEDS = (
    ("redis.cluster", "NodesManager", "initialize"),
    ("redis._parsers.commands", "CommandsParser", "initialize"),
    ("redis._parsers.commands", "CommandsParser", "get_keys"),
    ("redis.sentinel", "SentinelManagedConnection", "connect"),
    ("redis.asyncio.sentinel", "SentinelManagedConnection", "connect"),
    ("redis.client", "PubSub", "on_connect"),
    ("redis.asyncio.client", "PubSub", "on_connect"),
    ("redis.multidb.client", "MultiDBClient", "_check_db_health"),
    ("redis.asyncio.multidb.client", "MultiDBClient", "_check_db_health"),
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
        for start, show, sync, asynchronous in (
            (calls.command, see, _COMMANDS, _ASYNC_COMMANDS),
            (calls.command, self._see_active, _MULTI_COMMANDS, _ASYNC_MULTI_COMMANDS),
            (calls.immediate_command, see, _IMMEDIATE, _ASYNC_IMMEDIATE),
            (calls.message, see, _MESSAGES, _ASYNC_MESSAGES),
            (lambda client, _: calls.message(client, ("MONITOR",)), see, _MONITORS, _ASYNC_MONITORS),
            (calls.pipeline, see, _PIPELINES, _ASYNC_PIPELINES),
            (calls.pipeline, self._see_active, _MULTI_PIPELINES, _ASYNC_MULTI_PIPELINES),
        ):
            for place in sync:
                self._replace(*place, functools.partial(self._sync, start, show))
            for place in asynchronous:
                self._replace(*place, functools.partial(self._async, start, show))
        for places, one_call in ((_REPEATING, True), (_REPEATED, False)):
            for place in places:
                self._replace(*place, functools.partial(self._as_one, one_call))
        for place in _FAILED_ATTEMPTS:
            self._replace(*place, _noting_failure)
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
        try:
            owner = getattr(importlib.import_module(module), owner_name, None)
        except ImportError:
            return
        if owner is None or name not in owner.__dict__:
            return
        wrapper = functools.wraps(owner.__dict__[name])(wrap(getattr(owner, name)))
        self._replaced.append((owner, name, owner.__dict__[name], wrapper))
        setattr(owner, name, wrapper)

    def _begin(self, start: Start, see: See, client: Any, args: tuple[Any, ...]) -> Call | None:
        if not self._active:
            return None
        try:
            call = start(client, args)
        except Exception:  # noqa: BLE001 - the command is sent all the same
            fault("redis.start")
            return None
        if call is not None:
            see(client)
        return call

    def _see_active(self, client: Any) -> None:
        """Pass on the client of the active database, if it is known yet."""
        executor = getattr(getattr(client, "_client", client), "command_executor", None)
        database = getattr(executor, "active_database", None)
        if database is not None:
            self._see(database.client)

    def _sync(self, start: Start, see: See, original: Method) -> Method:
        def send(client: Any, *args: Any, **options: Any) -> Any:
            call = self._begin(start, see, client, args)
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

    def _async(self, start: Start, see: See, original: Method) -> Method:
        async def send(client: Any, *args: Any, **options: Any) -> Any:
            call = self._begin(start, see, client, args)
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

    def _as_one(self, one_call: bool, original: Method) -> Method:  # noqa: FBT001 - passed by position above
        if inspect.iscoroutinefunction(original):

            async def repeat_async(self_: Any, *args: Any, **options: Any) -> Any:
                if not self._active:
                    return await original(self_, *args, **options)
                attempts = Attempts(one_call=one_call)
                try:
                    return await original(self_, *args, **options)
                finally:
                    attempts.end()

            return repeat_async

        def repeat(self_: Any, *args: Any, **options: Any) -> Any:
            if not self._active:
                return original(self_, *args, **options)
            attempts = Attempts(one_call=one_call)
            try:
                return original(self_, *args, **options)
            finally:
                attempts.end()

        return repeat


def _noting_failure(original: Method) -> Method:
    @functools.wraps(original)
    def fail(self: Any, *args: Any, **options: Any) -> Any:
        if (attempts := current_attempts()) is not None:
            attempts.failed()
        return original(self, *args, **options)

    return fail


def _noting(position: int, original: Method) -> Method:
    def raise_first_error(self: Any, *args: Any, **options: Any) -> Any:
        try:
            note_responses(args[position])
        except Exception:  # noqa: BLE001 - the client raises what it would
            fault("redis.responses")
        return original(self, *args, **options)

    return raise_first_error


def _as_own(original: Method) -> Method:
    if inspect.iscoroutinefunction(original):

        async def ask_async(self: Any, *args: Any, **options: Any) -> Any:
            with own_traffic():
                return await original(self, *args, **options)

        return ask_async

    def ask(self: Any, *args: Any, **options: Any) -> Any:
        with own_traffic():
            return original(self, *args, **options)

    return ask
