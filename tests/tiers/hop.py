"""One of four processes that a request goes through: it asks the next one, and the last one fails when told to."""

import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException
from opentelemetry import propagate

from wxiai_otel import setup_telemetry

NEXT = os.environ.get("NEXT")


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)
setup_telemetry(app)


@app.get("/hop")
async def hop(fail: bool = False) -> str:
    if NEXT:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        await app.state.client.get(f"{NEXT}/hop", params={"fail": fail}, headers=headers)
    elif fail:
        raise HTTPException(500)
    return "done"
