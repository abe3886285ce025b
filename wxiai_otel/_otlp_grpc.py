"""OTLP/gRPC exporters that note rejected items. OpenTelemetry's own exporters ignore the responses."""

from typing import Any, TypeVar

from ._otlp_answers import note_message

E = TypeVar("E")


class _NotingStub:
    """A stub of a collector service that passes each response to `note_message`."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def Export(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - the service's name
        response = self._stub.Export(*args, **kwargs)
        note_message(response)
        return response


def noting_exporter(exporter: type[E]) -> type[E]:
    """Return a subclass of an exporter that notes rejections.

    If a later exporter creates its stub in another method, its responses are ignored, as without us.
    """

    class NotingExporter(exporter):  # type: ignore[misc, valid-type] # any of the three
        def _initialize_channel_and_stub(self) -> None:
            super()._initialize_channel_and_stub()
            if (stub := getattr(self, "_client", None)) is not None:
                self._client: Any = _NotingStub(stub)

    NotingExporter.__name__ = NotingExporter.__qualname__ = exporter.__name__
    return NotingExporter
