"""OTLP/gRPC exporters that note rejected items and retry within their timeout, whatever delay a receiver requests."""

from time import monotonic
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]

from ._otlp_answers import note_message
from ._remote import bounded_delay, export_delay

E = TypeVar("E")

_RETRY_INFO = "google.rpc.retryinfo-bin"


class _Refusal(grpc.RpcError):  # type: ignore[misc] # grpc has no types
    """An error of a call whose requested delay is bounded.

    OpenTelemetry's exporter gives up at once if the requested delay is longer than its timeout, and raises if the
    metadata cannot be parsed.
    """

    def __init__(self, error: Any, timeout: object) -> None:
        super().__init__(*error.args)
        self.code = error.code
        self.details = error.details
        metadata = error.trailing_metadata() or ()
        self._metadata = [(key, value) for key, value in metadata if key != _RETRY_INFO]
        if (asked := _requested([value for key, value in metadata if key == _RETRY_INFO])) is not None:
            delay = RetryInfo()
            delay.retry_delay.FromNanoseconds(int(export_delay(asked, timeout) * 1e9))
            self._metadata.append((_RETRY_INFO, delay.SerializeToString()))

    def trailing_metadata(self) -> list[tuple[str, Any]]:
        return self._metadata


def _requested(values: list[bytes]) -> float | None:
    """Return the longest of the requested delays, in seconds; ``None`` if there is no valid one."""
    found = []
    for value in values:
        try:
            delay = RetryInfo.FromString(value).retry_delay
        except Exception:  # noqa: BLE001, S112 - protobuf's error has no public name in all versions
            continue
        found.append(bounded_delay(delay.seconds + delay.nanos / 1e9))
    return max(found, default=None)


class _BoundedStub:
    """A stub of a collector service that passes each response to `note_message` and bounds requested delays."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def Export(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:  # noqa: N802 - the service's name
        deadline = None if timeout is None else monotonic() + timeout
        try:
            response = self._stub.Export(*args, timeout=timeout, **kwargs)
        except grpc.RpcError as error:
            raise _Refusal(error, None if deadline is None else max(0.0, deadline - monotonic())) from None
        note_message(response)
        return response


def bounded_exporter(exporter: type[E]) -> type[E]:
    """Return a subclass of an exporter that notes rejections and bounds requested delays.

    If a later exporter creates its stub in another method, its responses are ignored, as without us.
    """

    class BoundedExporter(exporter):  # type: ignore[misc, valid-type] # any of the three
        def _initialize_channel_and_stub(self) -> None:
            super()._initialize_channel_and_stub()
            if (stub := getattr(self, "_client", None)) is not None:
                self._client: Any = _BoundedStub(stub)

    BoundedExporter.__name__ = BoundedExporter.__qualname__ = exporter.__name__
    return BoundedExporter
