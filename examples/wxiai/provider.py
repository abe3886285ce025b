"""The AI provider, simulated: a web server of its own, as slow and as unreliable as the real ones, only faster.

It draws what is ordered in its own time and then calls back; now and then twice, as the real ones do.
"""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

# Seconds that a task takes, from and to, and the share that fails.
SERVICES = {
    "midjourney": (0.4, 1.5, 0.05),
    "flux": (0.1, 0.5, 0.02),
    "dreamwork": (0.2, 0.6, 0.04),
    "jimeng": (0.1, 0.4, 0.03),
    "kling": (0.6, 2.0, 0.10),
}
CALLED_TWICE = 0.1


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Draw until the end."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client, asyncio.TaskGroup() as work:
        app.state.client, app.state.work = client, work
        yield


app = FastAPI(title="AI provider", lifespan=lifespan)


class Order(BaseModel):
    """What to draw, and whom to tell."""

    prompt: str
    callback: str


@app.get("/{service}/health")
async def health(service: str) -> dict[str, bool]:
    """Whether a service is up."""
    _check(service)
    return {"up": True}


@app.post("/{service}/generate", status_code=202)
async def generate(service: str, order: Order, request: Request) -> dict[str, str]:
    """Take an order."""
    _check(service)
    request.app.state.work.create_task(_draw(request.app.state.client, service, order.callback))
    return {"order": uuid.uuid4().hex}


@app.post("/{service}/preview")
async def preview(service: str) -> dict[str, str]:
    """Draw something small at once."""
    _check(service)
    await asyncio.sleep(random.uniform(0.02, 0.1))
    if _fails(service):
        raise HTTPException(503, "no capacity")
    return {"url": _image(service)}


async def _draw(client: httpx.AsyncClient, service: str, callback: str) -> None:
    shortest, longest, _ = SERVICES[service]
    started = time.monotonic()
    await asyncio.sleep(random.uniform(shortest, longest))
    outcome: dict[str, object] = {"run_seconds": time.monotonic() - started}
    outcome |= {"error": "no_capacity"} if _fails(service) else {"url": _image(service)}
    for _ in range(2 if random.random() < CALLED_TWICE else 1):
        try:
            await client.post(callback, json=outcome)
        except httpx.HTTPError:
            return  # whoever ordered it is gone


def _check(service: str) -> None:
    if service not in SERVICES:
        raise HTTPException(404, "there is no such service")


def _fails(service: str) -> bool:
    return random.random() < SERVICES[service][2]


def _image(service: str) -> str:
    return f"https://images.example/{service}/{uuid.uuid4().hex}.png"
