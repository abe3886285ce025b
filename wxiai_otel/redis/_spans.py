"""The spans of commands and pipelines, by the stable conventions, without keys, values and messages.

https://opentelemetry.io/docs/specs/semconv/db/redis/
They are those of opentelemetry-instrumentation-redis but for what tests/redis/test_differential.py lists.
"""

import sys
from collections.abc import Hashable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import TracerProvider
from opentelemetry.util.types import AttributeValue

from .._client_spans import ClientSpan, ClientSpans
from .._held_spans import Description
from ._commands import Command

_UPSTREAM = "opentelemetry.instrumentation.redis"
_PIPELINE = "PIPELINE"
_MAX_TEXT = 4096
_MAX_KNOWN = 1_000


class RedisSpans:
    """Starts the spans of all clients' commands.

    What they say is remembered by the command's name, the number of its arguments, and the server.

    Parameters:
        tracer_provider: Makes the spans.
    """

    def __init__(self, tracer_provider: TracerProvider) -> None:
        self._spans = ClientSpans(tracer_provider)
        self._known: dict[Hashable, Description] = {}

    def command(self, client: Any, command: Command) -> ClientSpan | None:
        """Start the span of a command; ``None`` where nobody would receive it."""
        context = self._wanted()
        if context is None:
            return None
        place = _place(client)
        name = command.full_name
        key = (name, len(command.arguments), place)
        found = self._known.get(key)
        if found is None:
            attributes = _attributes(name, without_arguments(command), place)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            found = self._known[key] = self._spans.describe(name, attributes)
        return self._spans.start(found, context)

    def pipeline(self, client: Any, commands: Sequence[Command]) -> ClientSpan | None:
        """Start the span of a pipeline, whatever it holds; ``None`` where nobody would receive it."""
        context = self._wanted()
        if context is None:
            return None
        attributes = _attributes(_PIPELINE, _text(commands), _place(client))
        if len(commands) > 1:
            attributes["db.operation.batch.size"] = len(commands)
        return self._spans.start(self._spans.describe(_PIPELINE, attributes), context)

    def _wanted(self) -> Context | None:
        # An application that has upstream's instrumentation trace its clients, by now, keeps those spans.
        upstream = sys.modules.get(_UPSTREAM)
        if upstream is not None and upstream.RedisInstrumentor().is_instrumented_by_opentelemetry:
            return None
        return self._spans.wanted()


def without_arguments(command: Command) -> str:
    """The command's name, and a question mark for each argument."""
    arguments = len(command.arguments) - command.full_name.count(" ")
    return f"{command.full_name}{' ?' * min(arguments, _MAX_TEXT)}"


def _text(commands: Sequence[Command]) -> str:
    text = ""
    for command in commands:
        text += without_arguments(command) + "\n"
        if len(text) > _MAX_TEXT:
            break
    return text[:_MAX_TEXT].rstrip()


def _place(client: Any) -> tuple[Any, ...]:
    """Database, host or path, and port, as the client's pool was told; nothing of a cluster, which has several."""
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    if options is None:
        return ()
    # redis-py's own defaults; what is behind a Sentinel has none.
    database = options.get("db") or 0
    if path := options.get("path"):
        return database, path, None
    if hasattr(client.connection_pool, "sentinel_manager"):
        return database, None, None
    return database, options.get("host", "localhost"), options.get("port", 6379)


def _attributes(name: str, text: str, place: tuple[Any, ...]) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "redis",
        "db.operation.name": name,
        "db.query.text": text,
    }
    if place:
        database, address, port = place
        attributes["db.namespace"] = str(database)
        if address:
            attributes["server.address"] = str(address)
        if port:
            attributes["server.port"] = int(port)
    return attributes
