"""The application that the tests of this folder serve. It says nothing of telemetry, unless SETUP is set."""

import os
import sys
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine, text
from starlette.middleware.base import BaseHTTPMiddleware

SETUP = os.environ.get("SETUP", "")

engine = create_engine("sqlite://")


def ask(table: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(f"SELECT 1 FROM {table}"))


def set_up(app: FastAPI) -> None:
    from wxiai_otel import setup_telemetry

    setup_telemetry(app, environment="its-own")


@asynccontextmanager
async def lifespan(app: FastAPI):
    ask("sqlite_master")
    if SETUP == "lifespan":
        set_up(app)
    yield


class Through(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


def create_app() -> FastAPI:
    app = FastAPI(title="shop", lifespan=lifespan)
    if SETUP == "module":
        set_up(app)
    if SETUP == "lifespan":
        import wxiai_otel  # noqa: F401 - as an application does that sets itself up later
    app.add_middleware(Through)

    @app.get("/items/{item_id}")
    def item(item_id: int):
        ask("sqlite_schema")
        if not item_id:
            raise HTTPException(404)

    @app.get("/broken")
    def broken():
        raise RuntimeError

    mounted = FastAPI()
    mounted.get("/models/{name}")(lambda name: name)
    app.mount("/mounted", mounted)
    return app


app = create_app()

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
