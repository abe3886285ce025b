"""The application that the tests of this folder serve."""

import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from wxiai_otel import setup_telemetry


@asynccontextmanager
async def lifespan(app):
    yield


app = FastAPI(title="served", lifespan=lifespan)
if os.environ.get("SETUP", "module") == "module":
    setup_telemetry(app)


@app.get("/fast/{n}")
async def fast(n: int):
    return n


@app.get("/slow")
async def slow():
    await asyncio.sleep(0.5)


@app.get("/stream")
async def stream():
    async def events():
        while True:
            yield "data: .\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    while True:
        await socket.send_text(await socket.receive_text())
