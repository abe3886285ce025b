"""One competitor in one process: it serves rounds of requests and says what they have cost.

It reads commands from standard input, a JSON object a line, and answers each with one.
"""

import asyncio
import gc
import json
import os
import sys
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

from fastapi import FastAPI

from .applications import APPLICATIONS, Application
from .competitors import COMPETITORS, Flush

_WARM_UP = 100


class Driver:
    """An ASGI server in miniature, whose own cost is next to nothing.

    Parameters:
        app: The application.
        application: What is asked of it.
        clients: From how many addresses.
    """

    def __init__(self, app: FastAPI, application: Application, clients: int = 100) -> None:
        self._app = app
        self._path = application.path
        self._clients = [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(clients)]
        self._headers = [
            (b"host", b"app.example.com"),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate, br"),
            (b"connection", b"keep-alive"),
        ]
        self._done = asyncio.Event()
        self._status = 0

    async def request(self, number: int) -> None:
        """Send one request, and see that it is answered."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list(self._headers),
            "client": (self._clients[number % len(self._clients)], 40_000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        self._done.clear()
        await self._app(scope, self._receive_once(), self._send)
        if self._status != 200:
            raise RuntimeError(f"{self._path} was answered {self._status}")

    def _receive_once(self) -> Any:
        received = False

        async def receive() -> dict[str, Any]:
            nonlocal received
            if not received:
                received = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._done.wait()
            return {"type": "http.disconnect"}

        return receive

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif not message.get("more_body"):
            self._done.set()


async def _round(driver: Driver, application: Application, flush: Flush, count: int) -> dict[str, float]:
    """Serve requests and export everything; the time is the processor's, of all threads of this process."""
    latencies = array("d")  # a list would count as memory that requests leave behind
    gc.collect()
    began = process_time()
    for number in range(count):
        started = perf_counter()
        await driver.request(number)
        latencies.append(perf_counter() - started)
        if number % application.flush_every == application.flush_every - 1:
            flush.spans()
    flush.spans()
    flush.metrics()
    seconds = process_time() - began
    cuts = quantiles(latencies, n=100)
    return {
        "cpu_us": seconds / count / application.units * 1e6,
        "p50_us": cuts[49] / application.units * 1e6,
        "p99_us": cuts[98] / application.units * 1e6,
        "rss_mb": _rss_mb(),
    }


async def _scrape(flush: Flush) -> dict[str, float]:
    began, started = process_time(), perf_counter()
    flush.metrics()
    return {"cpu_us": (process_time() - began) * 1e6, "wall_us": (perf_counter() - started) * 1e6}


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[int]:
    """The application under uvicorn, and its port."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def _work(application_name: str, competitor: str) -> None:
    application = APPLICATIONS[application_name]
    app = application.make()
    flush = COMPETITORS[competitor](app)
    driver = Driver(app, application)
    async with app.router.lifespan_context(app), _serving(app) as port:
        await _round(driver, application, flush, max(1, min(_WARM_UP, application.requests // 2)))
        print(json.dumps({"port": port}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            if command["do"] == "round":
                found = await _round(driver, application, flush, command["requests"])
            elif command["do"] == "memory":
                many = Driver(app, application, command["clients"])
                found = await _round(many, application, flush, command["requests"])
            elif command["do"] == "cpu":
                flush.spans()
                found = {"cpu_us": process_time() * 1e6}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:3]))
