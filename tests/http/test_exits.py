"""Exceptions of the application that cannot be described without ending the process."""

from opentelemetry.sdk.trace import TracerProvider

from wxiai_otel._labels import message_of
from wxiai_otel.tracing import record_exception


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def test_the_message_of_such_an_exception_is_its_class() -> None:
    assert message_of(Exits()) == "<Exits>"


def test_such_an_exception_is_recorded_by_its_class() -> None:
    span = TracerProvider().get_tracer("test").start_span("work")
    record_exception(span, Exits())
    (event,) = span.events  # type: ignore[attr-defined]
    assert event.attributes["exception.message"] == "<Exits>"
