"""AI image tasks: paid in advance, done by a provider over HTTP, given back where it fails."""

import json
import uuid
from typing import Any

import httpx
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from sqlalchemy import select

from . import credits as ledger
from .database import Database, Task
from .users import CurrentUser

PRICES = {"midjourney": 12, "flux": 6, "dreamwork": 4, "jimeng": 3, "kling": 20}
CACHE_SECONDS = 60

router = APIRouter(tags=["tasks"])


class Order(BaseModel):
    """What to draw."""

    prompt: str = Field(min_length=1, max_length=2000)


@router.post("/images/{service}", status_code=202)
async def submit(
    service: str, order: Order, user: CurrentUser, request: Request, later: BackgroundTasks
) -> dict[str, Any]:
    """Pay for a task and have it done in the background."""
    if service not in PRICES:
        raise HTTPException(404, f"there is no service {service!r}; there are {', '.join(PRICES)}")
    database: Database = request.app.state.database
    left = await run_in_threadpool(_pay, database, user.id, service)
    task = Task(
        id=uuid.uuid4().hex, user_id=user.id, service=service, prompt=order.prompt, status="pending", result=None
    )
    async with database.async_sessions.begin() as session:
        session.add(task)
    later.add_task(_complete, request.app, task.id, user.id, service, order.prompt)
    return {"task": task.id, "balance": left}


@router.get("/tasks/{task_id}")
async def status(task_id: str, user: CurrentUser, request: Request) -> dict[str, Any]:
    """How a task is: finished ones come from the cache."""
    cached = await request.app.state.cache.get(f"task:{task_id}")
    if cached is not None:
        found: dict[str, Any] = json.loads(cached)
    else:
        async with request.app.state.database.async_sessions() as session:
            task = await session.get(Task, task_id)
        if task is None:
            raise HTTPException(404, "there is no such task")
        found = {"task": task.id, "user": task.user_id, "status": task.status, "result": task.result}
        if task.status != "pending":
            await request.app.state.cache.set(f"task:{task_id}", json.dumps(found), ex=CACHE_SECONDS)
    if found["user"] != user.id:
        raise HTTPException(404, "there is no such task")
    return found


@router.get("/tasks")
async def mine(user: CurrentUser, request: Request, limit: int = 20) -> list[dict[str, str]]:
    """The user's latest tasks."""
    latest = select(Task).where(Task.user_id == user.id).order_by(Task.created_at.desc()).limit(min(limit, 100))
    async with request.app.state.database.async_sessions() as session:
        return [{"task": task.id, "status": task.status} for task in await session.scalars(latest)]


def _pay(database: Database, user_id: int, service: str) -> int:
    with database.sessions.begin() as session:
        return ledger.consume(session, user_id, PRICES[service], service)


def _give_back(database: Database, user_id: int, service: str) -> None:
    with database.sessions.begin() as session:
        ledger.add(session, user_id, PRICES[service], "refund")


async def _complete(app: FastAPI, task_id: str, user_id: int, service: str, prompt: str) -> None:
    database: Database = app.state.database
    client: httpx.AsyncClient = app.state.provider
    result = None
    try:
        response = await client.post(f"/{service}/generate", json={"prompt": prompt})
        response.raise_for_status()
        result = response.json()["url"]
    except httpx.HTTPError:
        await run_in_threadpool(_give_back, database, user_id, service)
    async with database.async_sessions.begin() as session:
        task = await session.get_one(Task, task_id)
        task.status, task.result = ("success" if result else "failed"), result
