"""The bridge's HTTP API."""

import asyncio
import hmac
import logging
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..._accept import encoder
from ..._background import Periodic
from ..._guard import LOG_INTERVAL_SECONDS
from .._config import ALIASES
from .._errors import NotDelivered
from .._message import Message
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
# Of all requests that are being received.
MAX_BODIES = 4 * 2**20
_BODY_SECONDS = 10.0


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
        retried = {name: sender for name, sender in self._senders.items() if name != HEARTBEAT}
        self._late = Late(retried, late, config.timeout, partial(self._dropped, room="late"))
        for name in retried:
            self._metrics.held(name, self._late)
        self._bodies = 0
        # One at a time: parsed JSON takes many times as much memory as its text.
        self._parsing = asyncio.Lock()
        self._drops = 0
        self._logged_at = -LOG_INTERVAL_SECONDS
        self._ending = False
        self._telling = Periodic("wxiai-otel-late", late / 10, self._late.tell)
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

    def _dropped(self, channel: str, room: str) -> None:
        """Count and log a message for which there was no room."""
        self._metrics.dropped(channel, room)
        self._drops += 1
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL_SECONDS:
            logger.warning(
                "Dropped %d messages, the last one for %s: no room in %s (see wxiai_bridge_dropped_messages_total)",
                self._drops,
                channel,
                room,
            )
            self._drops, self._logged_at = 0, now

    async def _notify(self, request: Request) -> Response:
        began = time.monotonic()
        channel = ALIASES.get(request.path_params["channel"], request.path_params["channel"])
        if channel not in ALL_CHANNELS:
            raise HTTPException(404, f"there is no such channel: allowed are {', '.join(ALL_CHANNELS)}")
        outcome = "invalid"
        try:
            self._authorize(request)
            outcome = await self._deliver(channel, await self._received(channel, request))
            return JSONResponse({"status": outcome})
        except NotDelivered as failed:
            outcome = "failed"
            # 503 whatever it was, 429 included: Alertmanager gives up what is answered 4xx.
            return JSONResponse({"status": outcome, "reason": failed.reason}, 503)
        finally:
            self._metrics.notification(channel, outcome, time.monotonic() - began)

    async def _deliver(self, channel: str, message: Message) -> str:
        if channel == HEARTBEAT:
            self._metrics.heartbeat()
        sender = self._senders.get(channel)
        if sender is None:
            # alertmanager.yml names all channels; one that nobody has configured is not one that fails.
            return "off"
        name = one_line(message.first.name, _MAX_NAME)
        try:
            await asyncio.wrap_future(sender.submit(message, self._config.timeout))
        except NotDelivered as failed:
            logger.warning("%s: %s not delivered: %s", channel, name, failed.reason)
            if failed.full:
                self._dropped(channel, "queue")
            self._late.refused(channel, message)
            raise
        logger.info("%s: %s delivered", channel, name)
        self._late.delivered(channel, message)
        return "delivered"

    def _authorize(self, request: Request) -> None:
        shown = request.headers.get("authorization", "").encode("latin-1")
        if self._token and not hmac.compare_digest(shown, self._token):
            raise HTTPException(401, "allowed is the bridge's bearer token", {"WWW-Authenticate": "Bearer"})

    async def _received(self, channel: str, request: Request) -> Message:
        """Receive and parse a request's body.

        Raises:
            HTTPException: The body is not allowed.
            NotDelivered: It takes too long, or there is no room for it. Alertmanager retries.
        """
        limit = self._config.max_body
        too_large = HTTPException(413, f"allowed are {limit} bytes: set max_alerts in alertmanager.yml")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and (len(declared) > _MAX_DIGITS or int(declared) > limit):
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.stream():
                    if self._bodies + len(chunk) > MAX_BODIES:
                        self._dropped(channel, "requests")
                        raise NotDelivered(f"requests of {MAX_BODIES // 2**20} MiB are in work", passes=True)
                    self._bodies += len(chunk)
                    body += chunk
                    if len(body) > limit:
                        raise too_large
            async with self._parsing:
                return await run_in_threadpool(parse, body)
        except TimeoutError:
            raise NotDelivered(f"no whole body within {_BODY_SECONDS:.0f} s", passes=True) from None
        except PayloadError as error:
            raise HTTPException(400, str(error)) from None
        finally:
            self._bodies -= len(body)

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
