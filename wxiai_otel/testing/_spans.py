"""Spans as a test reads them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan

from ._values import UnknownTelemetry

_NANOSECONDS = 1e9


class Collector(SpanProcessor):
    """Keeps the spans that end while somebody looks: a long run of tests that do not is not to fill the memory.

    It goes on after its provider's end, because a next one joins that provider.

    Attributes:
        spans: Those that are kept.
    """

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self._keeps = False

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Within the block, keep the spans that end."""
        self.spans = []
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            self.spans = []

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Wait for its end."""

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor.on_end`."""
        if self._keeps:
            self.spans.append(span)


class Span:
    """A span that has ended.

    Parameters:
        span: As the SDK has it.
        among: All spans of the test.

    Attributes:
        sdk: The SDK's span, for what is not here.
    """

    def __init__(self, span: ReadableSpan, among: Sequence[ReadableSpan]) -> None:
        self.sdk = span
        self._among = among

    def __repr__(self) -> str:
        return f"<{self.name} {self.status} {self.attributes}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and other.sdk is self.sdk

    def __hash__(self) -> int:
        return hash(self.sdk)

    @property
    def name(self) -> str:
        """As backends show it."""
        return self.sdk.name

    @property
    def kind(self) -> str:
        """``server``, ``client``, ``internal``, ``producer`` or ``consumer``."""
        return self.sdk.kind.name.lower()

    @property
    def status(self) -> str:
        """``unset``, ``ok`` or ``error``."""
        return self.sdk.status.status_code.name.lower()

    @property
    def attributes(self) -> dict[str, Any]:
        """By the names of OpenTelemetry's conventions."""
        return dict(self.sdk.attributes or {})

    @property
    def events(self) -> list[str]:
        """Their names."""
        return [event.name for event in self.sdk.events]

    @property
    def duration(self) -> float:
        """In seconds."""
        return ((self.sdk.end_time or 0) - (self.sdk.start_time or 0)) / _NANOSECONDS

    @property
    def parent(self) -> "Span | None":
        """The span that it is part of, where that has ended too."""
        above = self.sdk.parent
        found = [span for span in self._among if above is not None and span.context.span_id == above.span_id]
        return Span(found[0], self._among) if found else None

    @property
    def children(self) -> list["Span"]:
        """The spans that are directly part of it, in the order of their start."""
        ours = self.sdk.context.span_id
        found = [span for span in self._among if span.parent is not None and span.parent.span_id == ours]
        return [Span(span, self._among) for span in sorted(found, key=lambda span: span.start_time or 0)]

    def child(self, name: str) -> "Span":
        """The only one of its children that has this name."""
        return the_only(self.children, name, f"below {self.name!r}")


def the_only(spans: Iterable[Span], name: str, where: str) -> Span:
    """The only one of some spans that has a name.

    Raises:
        UnknownTelemetry: There is none, or there are several.
    """
    spans = list(spans)
    found = [span for span in spans if span.name == name]
    if not found:
        names = sorted({repr(span.name) for span in spans})
        raise UnknownTelemetry(f"there is no span {name!r} {where}; there are {', '.join(names) or 'none'}")
    if len(found) > 1:
        raise UnknownTelemetry(f"there are {len(found)} spans {name!r} {where}: telemetry.spans({name!r}) has them all")
    return found[0]
