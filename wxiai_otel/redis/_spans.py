"""Spans by opentelemetry-instrumentation-redis, made to say no more than they may and by the stable names.

Upstream puts a search's query and the documents found on the span, and the exception's message, which may hold keys,
in its status; it names a pipeline by all of its commands. The tracer that it is given here mends it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.instrumentation import redis as upstream
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from .._guard import fault
from ._commands import Command, queued, read

_PIPELINE = "PIPELINE"
_MAX_TEXT = 4096

# The stable names (https://opentelemetry.io/docs/specs/semconv/db/redis/) of what upstream sets; anything else that it
# sets stays here.
_KEPT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "db.statement": ("db.query.text", str),
    "db.query.text": ("db.query.text", str),
    "db.redis.database_index": ("db.namespace", str),
    "db.namespace": ("db.namespace", str),
    "net.peer.name": ("server.address", str),
    "server.address": ("server.address", str),
    "net.peer.port": ("server.port", int),
    "server.port": ("server.port", int),
}
_PIPELINE_LENGTH = "db.redis.pipeline_length"


class _CommandSpan:
    """The part of a span that upstream uses, over a real span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.name = ""  # upstream does more for the names that it gives to searches

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def set_attribute(self, key: str, value: Any) -> None:
        try:
            if key == _PIPELINE_LENGTH and value > 1:
                self._span.set_attribute("db.operation.batch.size", value)
            elif kept := _KEPT.get(key):
                name, convert = kept
                self._span.set_attribute(name, convert(value))
        except Exception:  # noqa: BLE001 - the command is still to be sent
            fault("redis.span")

    def set_status(self, _status: Any) -> None:
        """Leave the status to `_MendedTracer`: upstream's holds the server's message."""

    def describe(self, command: Command) -> None:
        """Say what is sent: upstream has not split a first argument of several words, nor decoded one of bytes."""
        name = command.full_name
        self._span.update_name(name)
        self._span.set_attributes({"db.operation.name": name, "db.query.text": _without_arguments(command)})


class _MendedTracer:
    """The part of a tracer that upstream uses."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def start_as_current_span(self, _name: str, kind: SpanKind) -> Iterator[_CommandSpan]:
        span: Span
        with self._tracer.start_as_current_span(
            _PIPELINE,
            kind=kind,
            attributes={"db.system.name": "redis", "db.operation.name": _PIPELINE},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _CommandSpan(span)
            except BaseException as error:
                error_type = type(error).__name__
                span.set_attribute("error.type", error_type)
                span.set_status(Status(StatusCode.ERROR, error_type))
                raise


class _MendedProvider:
    """The part of a tracer provider that upstream uses."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **options: Any) -> _MendedTracer:
        options.pop("schema_url", None)  # of the old names
        return _MendedTracer(self._provider.get_tracer(*args[:2], **options))


class RedisSpans:
    """Has all clients traced, unless the application has upstream's instrumentation trace them already.

    Parameters:
        tracer_provider: Makes the spans.
    """

    def __init__(self, tracer_provider: TracerProvider) -> None:
        self._instrumentor: Any = RedisInstrumentor()  # upstream's classes are not typed
        self._ours = not self._instrumentor.is_instrumented_by_opentelemetry
        if self._ours:
            provider: Any = _MendedProvider(tracer_provider)
            hook: Any = _describe
            self._instrumentor.instrument(tracer_provider=provider, request_hook=hook, skip_dep_check=True)
            self._upstreams = getattr(upstream, _PIPELINE_BUILDER, None)
            setattr(upstream, _PIPELINE_BUILDER, _describe_pipeline)

    def stop(self) -> None:
        """Trace no more."""
        if self._ours:
            self._instrumentor.uninstrument()
            setattr(upstream, _PIPELINE_BUILDER, self._upstreams)


# Upstream's raises where a pipeline's command is given in bytes, into the application.
_PIPELINE_BUILDER = "_build_span_meta_data_for_pipeline"


def _describe_pipeline(pipeline: Any) -> tuple[Sequence[Command], str, str]:
    """The commands of a pipeline, their text, and a name for the span."""
    try:
        commands, _ = queued(pipeline)
        text = ""
        for command in commands:
            text += _without_arguments(command) + "\n"
            if len(text) > _MAX_TEXT:
                break
        return commands, text[:_MAX_TEXT].rstrip(), _PIPELINE
    except Exception:  # noqa: BLE001 - the pipeline is still to be sent
        fault("redis.pipeline")
        return (), "", _PIPELINE


def _describe(span: _CommandSpan, _client: Any, args: tuple[Any, ...], _options: dict[str, Any]) -> None:
    try:
        span.describe(read(args))
    except Exception:  # noqa: BLE001 - the command is still to be sent
        fault("redis.describe")


def _without_arguments(command: Command) -> str:
    arguments = len(command.arguments) - command.full_name.count(" ")
    return f"{command.full_name}{' ?' * min(arguments, _MAX_TEXT)}"
