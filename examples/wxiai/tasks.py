"""AI image tasks: paid in advance, done by a provider that calls back, given back where it fails."""

import json
import logging
import uuid
from typing import Any

import httpx
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from sqlalchemy import select, update

from wxiai_otel import complete_ai_task, monitor_ai_task, start_ai_task

from . import credits as ledger
from .database import Database, Task
from .users import CurrentUser

PRICES = {"midjourney": 12, "flux": 6, "dreamwork": 4, "jimeng": 3, "kling": 20}
VIDEO = ("kling",)
CACHE_SECONDS = 60

logger = logging.getLogger(__name__)
router = APIRouter(tags=["tasks"])


class Order(BaseModel):
    """What to draw."""

    prompt: str = Field(min_length=1, max_length=2000)


class Outcome(BaseModel):
    """What has become of an order."""

    url: str | None = None
    error: str | None = None
    run_seconds: float | None = None


@router.post("/images/{service}", status_code=202)
async def submit(service: str, order: Order, user: CurrentUser, request: Request) -> dict[str, Any]:
    """Pay for a task and order it; the provider calls back when it is done."""
    _check(service)
    database: Database = request.app.state.database
    left = await run_in_threadpool(_pay, database, user.id, service)
    submitted = start_ai_task(service, mode="video" if service in VIDEO else "image")
    task = Task(
        id=uuid.uuid4().hex,
        user_id=user.id,
        service=service,
        prompt=order.prompt,
        status="pending",
        result=None,
        telemetry_token=submitted.token,
    )
    async with database.async_sessions.begin() as session:
        session.add(task)
    path = request.app.url_path_for("called_back", task_id=task.id)
    callback = str(path.make_absolute_url(request.app.state.callback_url or request.base_url))
    try:
        response = await request.app.state.provider.post(
            f"/{service}/generate", json={"prompt": order.prompt, "callback": callback}
        )
        response.raise_for_status()
    except httpx.HTTPError as error:
        await _end(database, task.id, Outcome(error=type(error).__name__))
    return {"task": task.id, "balance": left.credit}


@router.post("/callbacks/{task_id}", status_code=204)
async def called_back(task_id: str, outcome: Outcome, request: Request) -> None:
    """The provider says what has become of a task; it may say so twice."""
    await _end(request.app.state.database, task_id, outcome)


@router.post("/images/{service}/preview")
async def preview(service: str, order: Order, _user: CurrentUser, request: Request) -> dict[str, str]:
    """Draw something small, for nothing, while the user waits."""
    _check(service)
    try:
        return await _drawn_at_once(request.app.state.provider, service, order.prompt)
    except httpx.HTTPError:
        raise HTTPException(502, f"{service} does not answer") from None


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


def _check(service: str) -> None:
    if service not in PRICES:
        raise HTTPException(404, f"there is no service {service!r}; there are {', '.join(PRICES)}")


def _pay(database: Database, user_id: int, service: str) -> ledger.Balance:
    with database.sessions.begin() as session:
        return ledger.consume(session, user_id, PRICES[service], service)


def _give_back(database: Database, user_id: int, service: str) -> None:
    with database.sessions.begin() as session:
        ledger.refund(session, user_id, PRICES[service], service)


@monitor_ai_task(lambda _client, service, _prompt: service, mode="preview")
async def _drawn_at_once(client: httpx.AsyncClient, service: str, prompt: str) -> dict[str, str]:
    response = await client.post(f"/{service}/preview", json={"prompt": prompt})
    response.raise_for_status()
    drawn: dict[str, str] = response.json()
    return drawn


async def _end(database: Database, task_id: str, outcome: Outcome) -> None:
    async with database.async_sessions.begin() as session:
        task = await session.get(Task, task_id)
        if task is None:
            raise HTTPException(404, "there is no such task")
        ended = "success" if outcome.url else "failed"
        # Of two callbacks one changes the task; telemetry tells them apart by itself.
        pending = update(Task).where(Task.id == task_id, Task.status == "pending")
        changed = await session.execute(pending.values(status=ended, result=outcome.url))
    complete_ai_task(task.telemetry_token, ended, error_type=outcome.error, run_seconds=outcome.run_seconds)
    if changed.rowcount and not outcome.url:
        logger.warning("task %s of %s has failed: %s", task_id, task.service, outcome.error)
        await run_in_threadpool(_give_back, database, task.user_id, task.service)
