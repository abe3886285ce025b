"""The AI provider, simulated: a web server of its own, as slow and as unreliable as the real ones, only faster."""

import asyncio
import random
import uuid

from fastapi import FastAPI, HTTPException

# Seconds that a task takes, from and to, and the share that fails.
SERVICES = {
    "midjourney": (0.4, 1.5, 0.05),
    "flux": (0.1, 0.5, 0.02),
    "dreamwork": (0.2, 0.6, 0.04),
    "jimeng": (0.1, 0.4, 0.03),
    "kling": (0.6, 2.0, 0.10),
}

app = FastAPI(title="AI provider")


@app.post("/{service}/generate")
async def generate(service: str) -> dict[str, str]:
    """Draw, or fail as often as this service does."""
    if service not in SERVICES:
        raise HTTPException(404, "there is no such service")
    shortest, longest, failures = SERVICES[service]
    await asyncio.sleep(random.uniform(shortest, longest))
    if random.random() < failures:
        raise HTTPException(503, "no capacity")
    return {"url": f"https://images.example/{service}/{uuid.uuid4().hex}.png"}
