"""An application of the shape that this package is for: hundreds of routes, mounts, middlewares, users, streams."""

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from wxiai_otel import setup_telemetry

AREAS = 29
ROUTES_OF_AN_AREA = 20


@asynccontextmanager
async def lifespan(app):
    yield


def authenticate(request: Request) -> None:
    role = request.headers.get("x-role")
    if role is None:
        raise HTTPException(401)
    request.state.user = SimpleNamespace(id=1, role=role)
    if role == "pending":
        raise HTTPException(403)


class CommitSession(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        await asyncio.sleep(0)
        return response


class RefuseLongQueries(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        if len(request.url.query) > 1000:
            raise ValueError("too long")
        return await call_next(request)


class SecurityHeaders(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-frame-options"] = "DENY"
        return response


def area(number: int) -> APIRouter:
    """Like ``/api/v1/area3/{item}/r7``: half of the routes are in a router within the area's."""
    outer = APIRouter(dependencies=[Depends(authenticate)])
    inner = APIRouter(prefix="/{item}")
    for route in range(ROUTES_OF_AN_AREA // 2):
        outer.get(f"/r{route}")(lambda: {"text": "x" * 2000})
        inner.post(f"/r{route}")(lambda item: {"item": item})
    outer.include_router(inner)
    return outer


def mounted() -> FastAPI:
    sub = FastAPI()

    @sub.get("/models/{name}", dependencies=[Depends(authenticate)])
    async def model(name: str):
        if name == "broken":
            raise RuntimeError(name)
        return name

    return sub


app = FastAPI(title="target", lifespan=lifespan)
setup_telemetry(app)
app.add_middleware(GZipMiddleware)
app.add_middleware(CommitSession)
app.add_middleware(RefuseLongQueries)
app.add_middleware(SecurityHeaders)
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["*"])

for number in range(AREAS):
    app.include_router(area(number), prefix=f"/api/v1/area{number}")
app.mount("/ollama", mounted())
app.mount("/tenants/{tenant}", mounted())


@app.get("/api/chat/{chat_id}", dependencies=[Depends(authenticate)])
async def chat(chat_id: int):
    async def events():
        for number in range(chat_id):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/api/slow", dependencies=[Depends(authenticate)])
async def slow():
    await asyncio.sleep(0.4)


@app.get("/api/slow/sync", dependencies=[Depends(authenticate)])
def slow_sync():
    time.sleep(0.05)


app.mount("/static", StaticFiles(directory=Path(__file__).parent))
