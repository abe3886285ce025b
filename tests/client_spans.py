"""Comparing client spans of ours with upstream's, field by field, but for what a table lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

Fields = dict[str, Any]


@dataclass(frozen=True)
class Deviation:
    """Fields in which our span is another than upstream's, in each of the cases."""

    reason: str
    fields: tuple[str, ...]
    cases: tuple[str, ...]


def fields_of(span: ReadableSpan) -> Fields:
    """All that can be compared of a span, flat."""
    fields: Fields = {f"attributes.{key}": value for key, value in (span.attributes or {}).items()}
    return fields | {
        "name": span.name,
        "kind": span.kind,
        "status": span.status.status_code,
        "description": span.status.description,
        "parent": span.parent and span.parent.span_id,
        "events": [event.name for event in span.events],
        "links": len(span.links),
    }


def assert_upstreams(
    case: str, ours: Sequence[ReadableSpan], upstreams: Sequence[ReadableSpan], deviations: Iterable[Deviation]
) -> None:
    """Our spans are upstream's, in number and in each field, but for the deviations of the case, all of which occur."""
    listed = {field: found.reason for found in deviations if case in found.cases for field in found.fields}
    assert len(ours) == len(upstreams)
    differing = {}
    for our, their in zip(map(fields_of, ours), map(fields_of, upstreams), strict=True):
        for field in our.keys() | their.keys():
            if our.get(field) != their.get(field):
                differing[field] = (our.get(field), their.get(field))
    unlisted = {field: found for field, found in differing.items() if field not in listed}
    assert unlisted == {}, f"not listed, ours and upstream's: {unlisted}"
    stale = {field: reason for field, reason in listed.items() if field not in differing}
    assert stale == {}, f"listed, but the same: {stale}"
