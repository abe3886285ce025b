"""HTTP for the bridge: headers are bounded in size and time, and a connection without a request is closed."""

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# Of a request line with its headers. h11 refuses more with 400, httptools would collect all of it.
MAX_HEADER_BYTES = 16 * 1024
# Uvicorn has no such timeout, and each connection counts towards `limit_concurrency`.
REQUEST_SECONDS = 5.0
# Read at a time, instead of 256 KiB: h11 keeps a buffer of that size for each connection.
_READ_BYTES = 16 * 1024


class BoundedHttp(H11Protocol):
    """A connection that is closed unless headers arrive within one to two times `REQUEST_SECONDS`."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        transport.max_size = _READ_BYTES  # type: ignore[attr-defined] # of asyncio's own transports
        self._check_later()

    def _check_later(self) -> None:
        self.loop.call_later(REQUEST_SECONDS, self._check, self.cycle)

    def _check(self, before: RequestResponseCycle | None) -> None:
        """Close the connection if no request was in work since the last check."""
        if self.transport.is_closing():
            return
        in_work = self.cycle is not None and not self.cycle.response_complete
        if in_work or self.cycle is not before:
            self._check_later()
        else:
            self.transport.abort()
