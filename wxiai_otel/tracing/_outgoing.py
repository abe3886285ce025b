"""What becomes of spans on their way out, in the exporter's thread.

Protobuf takes no lone surrogates: one in the text of an exception, which JSON of any client's may bring there, would
have the exporter lose the whole batch. And the Collector's redaction does not see the attributes of links.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from .._guard import fault
from .._labels import whole
from .._redaction import redacted_attribute


class Outgoing(SpanExporter):
    """Hands spans on as the exporter can write them, and the attributes of links without what looks like a secret.

    Parameters:
        exporter: Sends them.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        return self._exporter.export([_made_fit(span) for span in spans])

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanExporter`."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._exporter.shutdown()


def _made_fit(span: ReadableSpan) -> ReadableSpan:
    try:
        return span if _is_fit(span) else _fit(span)
    except Exception:  # noqa: BLE001 - the exporter may do better
        fault("tracing.outgoing")
        return span


def _is_fit(span: ReadableSpan) -> bool:
    return (
        not any(link.attributes for link in span.links)
        and _is_whole(span.name)
        and _is_whole(span.status.description)
        and _are_whole(span.attributes)
        and all(_is_whole(event.name) and _are_whole(event.attributes) for event in span.events)
    )


def _fit(span: ReadableSpan) -> ReadableSpan:
    status = span.status
    return ReadableSpan(
        whole(span.name),
        span.get_span_context(),
        span.parent,
        span.resource,
        _wholly(span.attributes),
        [Event(whole(event.name), _wholly(event.attributes), event.timestamp) for event in span.events],
        [_redacted(link) for link in span.links],
        span.kind,
        status=Status(status.status_code, whole(status.description)) if status.description else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() or whole(value) == value
    return all(map(_is_whole, value)) if isinstance(value, tuple | list) else True


def _are_whole(attributes: Mapping[str, Any] | None) -> bool:
    return all(_is_whole(name) and _is_whole(value) for name, value in (attributes or {}).items())


def _wholly(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {whole(name): _whole_value(value) for name, value in (attributes or {}).items()}


def _whole_value(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    return [_whole_value(item) for item in value] if isinstance(value, tuple | list) else value


def _redacted(link: Link) -> Link:
    attributes = {name: redacted_attribute(name, value) for name, value in _wholly(link.attributes).items()}
    return Link(link.context, attributes)
