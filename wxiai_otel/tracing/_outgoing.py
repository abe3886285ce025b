"""What becomes of spans on their way out, in the exporter's thread.

Protobuf takes no lone surrogates: one in the text of an exception, which JSON of any client's may bring there, would
have the exporter lose the whole batch.

What an exception says, on its event and as the span's status, loses what looks like a secret, as in the Collector,
which need not be in between; and the Collector does not see the attributes of links. Requests that end well have none
of these, and their spans are handed on as they are.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, Status

from .._database_errors import Reduction, may_report
from .._guard import fault
from .._labels import whole
from .._redaction import MARGIN, MASK, is_secret, redacted, redacted_attribute

_EXCEPTION = ("exception.message", "exception.stacktrace")
_OF_DATABASE = ("db.system.name", "db.system")
# The status of a database span: a class and a code, or else the driver's message, perhaps after a class.
_CLASS_AND_CODE = re.compile(
    r"(?:[\w.]+\.)?[A-Z]\w*(?: [0-9A-Z]{1,8}|: (?:\([\w.<>]+\) )?(?:SQLSTATE \w{5}|code -?[0-9]{1,9}|\*{4}))?"
)
_CLASS = re.compile(r"(?:[\w.]+\.)?[A-Z]\w*: ")
# Attributes that are no longer report no error of a database.
_SHORT = 16
# Characters by which the end of a text is recognized.
_TAIL = 16
# Maximum lengths in characters, as in collector/traces.yaml: of a status or an event's name, and of an attribute of an
# event or link, which may be a traceback.
_MAX_TEXT = 4_096
MAX_EVENT_ATTRIBUTE = 16_384


class Outgoing(SpanExporter):
    """An exporter that makes spans valid for another one, and redacts their events, status and links.

    Parameters:
        exporter: Exports the spans.
        limit: Maximum length of an attribute of an event or link. The SDK must allow ``MARGIN`` characters more.
    """

    def __init__(self, exporter: SpanExporter, limit: int = MAX_EVENT_ATTRIBUTE) -> None:
        self._exporter = exporter
        self._limit = limit

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        return self._exporter.export([_made_fit(span, self._limit) for span in spans])

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanExporter`."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._exporter.shutdown()


def _made_fit(span: ReadableSpan, limit: int) -> ReadableSpan:
    try:
        return span if _is_fit(span) else _fit(span, limit)
    except Exception:  # noqa: BLE001 - it goes without what nobody has looked through
        fault("tracing.outgoing")
        return _span(span, span.name, span.attributes, (), (), Status(span.status.status_code))


def _is_fit(span: ReadableSpan) -> bool:
    return (
        not span.status.description
        and not span.events
        and not any(link.attributes for link in span.links)
        and _is_whole(span.name)
        and _are_whole(span.attributes)
        and not _may_report(span.attributes)
    )


def _fit(span: ReadableSpan, limit: int) -> ReadableSpan:
    status = span.status
    is_of_database = any(name in (span.attributes or {}) for name in _OF_DATABASE)
    known = Reduction()
    for event in span.events:
        known.learn_from_event(event.attributes or {})
    said = _status(status.description or "", known, is_of_database=is_of_database)
    return _span(
        span,
        whole(span.name),
        _bounded(span.dropped_attributes, known.reduce_event(_wholly(span.attributes))),
        _counted(span.dropped_events, [_event(event, limit, known, quotes=is_of_database) for event in span.events]),
        _counted(span.dropped_links, [_redacted(link, limit) for link in span.links]),
        Status(status.status_code, said) if said else status,
    )


def _span(
    span: ReadableSpan,
    name: str,
    attributes: Mapping[str, Any] | None,
    events: Sequence[Event],
    links: Sequence[Link],
    status: Status,
) -> ReadableSpan:
    """The span with these in the place of its own."""
    return ReadableSpan(
        name,
        span.get_span_context(),
        span.parent,
        span.resource,
        attributes,
        events,
        links,
        span.kind,
        status=status,
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


def _may_report(attributes: Mapping[str, Any] | None) -> bool:
    return any(map(_value_may_report, (attributes or {}).values()))


def _value_may_report(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _SHORT and may_report(value)
    return isinstance(value, tuple | list) and any(map(_value_may_report, value))


def _text(text: str, limit: int) -> str:
    return redacted(whole(text[: limit + MARGIN]), limit=limit)


def _status(said: str, known: Reduction, *, is_of_database: bool) -> str:
    read = whole(said[: _MAX_TEXT + MARGIN])
    text = known.reduce(read)
    if is_of_database and text and not _CLASS_AND_CODE.fullmatch(text):
        found = _CLASS.match(text)
        text = (found[0] if found is not None else "") + MASK
    return redacted(text, limit=_MAX_TEXT, was_cut=_is_cut(read, text, _MAX_TEXT))


def _is_cut(read: str, text: str, limit: int) -> bool:
    """Return whether a text was cut, and its end is still the cut one after reduction."""
    return len(read) >= limit + MARGIN and read[-_TAIL:] == text[-_TAIL:]


def _event(event: Event, limit: int, known: Reduction, *, quotes: bool) -> Event:
    attributes = _wholly(event.attributes)
    safe: dict[str, Any] = {}
    for name, value in known.reduce_event(attributes).items():
        is_quoted = quotes and name in _EXCEPTION
        if isinstance(value, str) and _is_cut(attributes[name], value, limit) and not is_secret(name):
            safe[name] = redacted(value, quotes=is_quoted, limit=limit, was_cut=True)
        else:
            safe[name] = redacted_attribute(name, value, quotes=is_quoted, limit=limit)
    return Event(_text(event.name, _MAX_TEXT), _bounded(event.dropped_attributes, safe), event.timestamp)


def _redacted(link: Link, limit: int) -> Link:
    safe = {name: redacted_attribute(name, value, limit=limit) for name, value in _wholly(link.attributes).items()}
    return Link(link.context, _bounded(link.dropped_attributes, safe))


def _bounded(dropped: int, attributes: dict[str, Any]) -> Mapping[str, Any]:
    """The attributes, with how many there were more, which the exporter says."""
    if not dropped:
        return attributes
    kept = BoundedAttributes(attributes=attributes, immutable=False)
    kept.dropped = dropped
    return kept


def _counted(dropped: int, items: list[Any]) -> Sequence[Any]:
    """Events or links likewise."""
    if not dropped:
        return items
    kept = BoundedList.from_seq(len(items), items)
    kept.dropped = dropped
    return kept
