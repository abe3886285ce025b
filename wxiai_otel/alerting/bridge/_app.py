"""The bridge's HTTP API."""

import asyncio
import hmac
import logging
import time
from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..._accept import encoder
from ..._background import Periodic
from .._config import ALIASES
from .._errors import NotDelivered
from .._sender import Sender
from .._text import one_line
from ._config import ALL_CHANNELS, HEARTBEAT, BridgeConfig
from ._late import LATE_SECONDS, Late
from ._metrics import BridgeMetrics
from ._payload import PayloadError, parse
from ._runbooks import routes

logger = logging.getLogger("wxiai_otel.bridge")

_MAX_DIGITS = 18  # of a length; Python reads no number of thousands of them
_MAX_NAME = 200


class Bridge:
    """Takes Alertmanager's notifications, and answers each when its channel has accepted or refused it.

    Parameters:
        config: See `BridgeConfig`.
        runbooks: The folder of the runbooks.
        late: Seconds after which the bridge itself tells what Alertmanager tries no more.
    """

    def __init__(self, config: BridgeConfig, runbooks: Path, late: float = LATE_SECONDS) -> None:
        self._config = config
        self._token = f"Bearer {config.token.reveal()}".encode("utf-8", "surrogatepass") if config.token else b""
        self._metrics = BridgeMetrics(ALL_CHANNELS, config.channels)
        self._senders = {
            name: Sender(channel, self._metrics.attempts(name)) for name, channel in config.channels.items()
        }
        for name, sender in self._senders.items():
            self._metrics.queue(name, sender)
        self._late = {
            name: Late(sender, late, config.timeout) for name, sender in self._senders.items() if name != HEARTBEAT
        }
        for name, held in self._late.items():
            self._metrics.held(name, held)
        self._ending = False
        self._telling = Periodic("wxiai-otel-late", late / 10, self._tell_late)
        self._telling.start()
        self.app = Starlette(
            routes=[
                Route("/notify/{channel}", self._notify, methods=["POST"]),
                Route("/health", self._health),
                Route("/metrics", self._show_metrics),
                *routes(runbooks),
            ],
            exception_handlers={HTTPException: _refused},
        )

    def end(self) -> None:
        """Take no more: what waits is answered now, and Alertmanager tries it again elsewhere or later."""
        self._ending = True
        self._telling.stop()
        for sender in self._senders.values():
            sender.stop()

    def _tell_late(self) -> None:
        for late in self._late.values():
            late.tell()

    async def _notify(self, request: Request) -> Response:
        began = time.monotonic()
        channel = ALIASES.get(request.path_params["channel"], request.path_params["channel"])
        if channel not in ALL_CHANNELS:
            raise HTTPException(404, f"there is no such channel: allowed are {', '.join(ALL_CHANNELS)}")
        outcome = "invalid"
        try:
            self._authorize(request)
            body = await self._body(request)
            outcome, answer = await self._deliver(channel, body)
            return answer
        finally:
            self._metrics.notification(channel, outcome, time.monotonic() - began)

    async def _deliver(self, channel: str, body: bytes) -> tuple[str, Response]:
        try:
            message = await run_in_threadpool(parse, body)
        except PayloadError as error:
            raise HTTPException(400, str(error)) from None
        if channel == HEARTBEAT:
            self._metrics.heartbeat()
        sender = self._senders.get(channel)
        if sender is None:
            # alertmanager.yml names all channels; one that nobody has configured is not one that fails.
            return "off", JSONResponse({"status": "off"})
        name, late = one_line(message.first.name, _MAX_NAME), self._late.get(channel)
        try:
            await asyncio.wrap_future(sender.submit(message, self._config.timeout))
        except NotDelivered as failed:
            # 503 whatever it was, 429 included: Alertmanager gives up what is answered 4xx.
            logger.warning("%s: %s not delivered: %s", channel, name, failed.reason)
            if late is not None:
                late.refused(message)
            return "failed", JSONResponse({"status": "failed", "reason": failed.reason}, 503)
        logger.info("%s: %s delivered", channel, name)
        if late is not None:
            late.delivered(message)
        return "delivered", JSONResponse({"status": "delivered"})

    def _authorize(self, request: Request) -> None:
        shown = request.headers.get("authorization", "").encode("latin-1")
        if self._token and not hmac.compare_digest(shown, self._token):
            raise HTTPException(401, "allowed is the bridge's bearer token", {"WWW-Authenticate": "Bearer"})

    async def _body(self, request: Request) -> bytes:
        limit = self._config.max_body
        too_large = HTTPException(413, f"allowed are {limit} bytes: set max_alerts in alertmanager.yml")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and (len(declared) > _MAX_DIGITS or int(declared) > limit):
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
        return bytes(body)

    async def _health(self, _request: Request) -> Response:
        channels = {name: "on" if name in self._senders else "off" for name in ALL_CHANNELS}
        status = "ending" if self._ending else "healthy"
        return JSONResponse({"status": status, "channels": channels}, 503 if self._ending else 200)

    async def _show_metrics(self, request: Request) -> Response:
        encode, content_type = encoder(request.headers.get("accept", ""))
        return Response(encode(self._metrics.registry), media_type=content_type)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it is registered
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def on(names: Iterable[str]) -> str:
    """The channels that are switched on, for a log."""
    return ", ".join(names) or "none: nobody is told of anything"
