"""The application: everything that `setup_telemetry(app)` needs to know of it is its one call below."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import redis.asyncio
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from wxiai_otel import setup_telemetry

from . import accounts, chat, tasks
from . import credits as ledger
from .config import from_environment
from .database import Database
from .logs import to_console
from .users import admin


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what the application needs, and close it at the end."""
    app.state.callback_url = config.callback_url
    app.state.database = Database(config)
    app.state.database.create()
    async with (
        redis.asyncio.from_url(config.redis_url, decode_responses=True) as app.state.cache,
        httpx.AsyncClient(base_url=config.provider_url, timeout=10) as app.state.provider,
    ):
        yield
    await app.state.database.close()


to_console()
config = from_environment()
app = FastAPI(title="wxiai", version="1.0.0", lifespan=lifespan)
setup_telemetry(
    app,
    stats_dependency=admin,
    **({} if config.task_secret is None else {"task_secret": config.task_secret}),
    avg_user_credits="SELECT avg(b) FROM (SELECT sum(amount) AS b FROM credit_entries GROUP BY user_id) AS balances",
    ai_probes={service: f"{config.provider_url}/{service}/health" for service in tasks.PRICES},
)

api = APIRouter(prefix="/api/v1")
for part in (accounts, chat, ledger, tasks):
    api.include_router(part.router)
app.include_router(api)


@app.get("/health")
async def health() -> dict[str, bool]:
    """The application's own health check, which telemetry leaves alone."""
    return {"status": True}


@app.get("/api/v1/broken")
async def broken() -> None:
    """Fails, as every platform sometimes does."""
    raise RuntimeError("this endpoint is broken on purpose")


@app.exception_handler(ledger.NotEnoughCreditsError)
async def not_enough_credits(_request: Request, error: Exception) -> JSONResponse:
    """402, with what is missing."""
    return JSONResponse({"detail": str(error)}, status_code=402)


gallery = FastAPI(title="gallery")


@gallery.get("/{service}/latest")
async def latest(service: str) -> dict[str, str]:
    """A mounted application's endpoint."""
    return {"service": service}


app.mount("/gallery", gallery)

pages = FastAPI(title="pages", docs_url=None, redoc_url=None, openapi_url=None)


@pages.get("/{page:path}", response_class=HTMLResponse)
async def page(page: str) -> str:
    """The single-page application: it answers whatever is left, and is mounted last."""
    return f"<title>wxiai</title><p>This would be the page {len(page)} characters long.</p>"


app.mount("/", pages)
