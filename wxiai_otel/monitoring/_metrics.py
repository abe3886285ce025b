"""``<prefix>/metrics``: the contract in Prometheus' text format or in OpenMetrics."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio.to_thread
from anyio import CapacityLimiter, Lock
from anyio.lowlevel import RunVar
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from .._accept import encoder
from .._guard import fault
from ._methods import not_allowed

# Of what workers find each other by: it is removed, or cannot be read.
UNAVAILABLE = "The workers of this server cannot all be asked"

Render = Callable[[str | None], tuple[bytes, str]]


@dataclass(slots=True)
class _Answer:
    """What a response is made of: each has one of its own, since middlewares write into its headers."""

    status: int
    body: bytes
    content_type: str


@dataclass(slots=True)
class _Asking:
    """Whoever asks in one event loop: one at a time is rendered for, and those who have asked before that share it."""

    turn: Lock = field(default_factory=Lock)
    begun: int = 0
    answers: dict[str, tuple[int, _Answer]] = field(default_factory=dict)


class MetricsEndpoint:
    """Answers a scrape.

    Rendering has a thread of its own: it neither blocks the event loop nor waits for the application's threads.

    Parameters:
        render: Gives the exposition and its content type for an Accept header.
        token: The bearer token that is asked for; empty: none.
    """

    def __init__(self, render: Render, token: str) -> None:
        self._render = render
        self._token = token.encode("utf-8", "surrogatepass")
        # The name is all that some versions tell them apart by.
        self._asking: RunVar[_Asking] = RunVar(f"wxiai_otel.asking.{id(self)}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD with the current values, anything else with 405; 401 without the token."""
        headers = Headers(scope=scope)
        response: Response | None = not_allowed(scope)
        if response is None and not self._may_see(headers):
            response = PlainTextResponse("Unauthorized", 401, {"WWW-Authenticate": "Bearer"})
        if response is None:
            found = await self._shared(",".join(headers.getlist("accept")))
            response = Response(found.body, found.status, {"Content-Type": found.content_type})
        await response(scope, receive, send)

    async def _shared(self, accept: str) -> _Answer:
        """What was rendered since it was asked for: however many ask, they are two renderings behind at most."""
        asking = self._asking.get(None)
        if asking is None:
            self._asking.set(asking := _Asking())
        before, kind = asking.begun, encoder(accept)[1]
        async with asking.turn:
            begun, answer = asking.answers.get(kind, (0, None))
            if answer is None or begun <= before:
                asking.begun += 1
                answer = await self._answer(accept)
                asking.answers[kind] = asking.begun, answer
            if not asking.turn.statistics().tasks_waiting:
                asking.answers.clear()
        return answer

    async def _answer(self, accept: str) -> _Answer:
        try:
            body, content_type = await anyio.to_thread.run_sync(self._render, accept, limiter=CapacityLimiter(1))
        except OSError:  # no scrape is better than one in which counters go back
            fault("prometheus.scrape")
            return _Answer(503, UNAVAILABLE.encode(), "text/plain; charset=utf-8")
        return _Answer(200, body, content_type)

    def _may_see(self, headers: Headers) -> bool:
        if not self._token:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Headers are latin-1 to ASGI, whatever the client has encoded.
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._token)
