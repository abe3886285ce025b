"""Health as a prober sees it, and servers for the probes."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.asgi import Answer, get
from tests.until import until


async def health(app: Any, query: str = "") -> tuple[int, dict[str, Any]]:
    """Status and content of /health."""
    answer = await get(app, f"/monitoring/health{query}")
    return answer.status, json.loads(answer.body)


async def until_health(app: Any, status: int) -> dict[str, Any]:
    """The content of /health, once it has a status."""
    loop = asyncio.get_running_loop()

    def found() -> tuple[int, dict[str, Any]] | None:
        answer = asyncio.run_coroutine_threadsafe(health(app), loop).result()
        return answer if answer[0] == status else None

    return (await asyncio.to_thread(until, found))[1]


def header(answer: Answer, name: str) -> str | None:
    start = next(message for message in answer.messages if message["type"] == "http.response.start")
    return next((value.decode() for key, value in start["headers"] if key.decode() == name), None)


class _Status(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def provider() -> Iterator[ThreadingHTTPServer]:
    """An AI service that answers /401 with 401."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Status)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
