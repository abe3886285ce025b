"""An ASGI server in miniature, which lets a test decide when the client leaves."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass
class Answer:
    """What an application sent for one request, and what it raised."""

    messages: list[Message] = field(default_factory=list)
    raised: BaseException | None = None

    @property
    def status(self) -> int | None:
        return next((m["status"] for m in self.messages if m["type"] == "http.response.start"), None)

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")


def http_scope(method: str, path: str, **extra: Any) -> dict[str, Any]:
    """A scope as uvicorn makes it."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        **extra,
    }


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    leaves_after: float | None = None,
    **extra: Any,
) -> Answer:
    """Send one request.

    Parameters:
        leaves_after: Seconds until the client closes its connection; what is sent then is dropped without a word, as
            uvicorn does.
    """
    answer = Answer()
    gone = asyncio.Event()
    body_is_read = False

    async def receive() -> Message:
        nonlocal body_is_read
        if not body_is_read:
            body_is_read = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if not gone.is_set():
            answer.messages.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                gone.set()

    if leaves_after is not None:
        asyncio.get_running_loop().call_later(leaves_after, gone.set)
    try:
        await app(http_scope(method, path, **extra), receive, send)
    except BaseException as exception:
        answer.raised = exception
    return answer


async def get(app: ASGIApp, path: str, **extra: Any) -> Answer:
    return await request(app, "GET", path, **extra)


async def websocket(app: ASGIApp, path: str, incoming: list[Message], **extra: Any) -> Answer:
    """Open a WebSocket; the client sends the messages one by one."""
    answer = Answer()
    messages = [{"type": "websocket.connect"}, *incoming]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Message) -> None:
        answer.messages.append(message)

    scope = {**http_scope("GET", path), "type": "websocket", "scheme": "ws", "subprotocols": [], **extra}
    del scope["method"]
    try:
        await asyncio.wait_for(app(scope, receive, send), 5)
    except BaseException as exception:
        answer.raised = exception
    return answer
