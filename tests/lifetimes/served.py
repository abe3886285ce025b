"""An application for uvicorn, as the environment sets it up."""

from fastapi import FastAPI

from wxiai_otel import setup_telemetry

app = FastAPI()
setup_telemetry(app, state_redis="memory")


@app.get("/x")
async def answer() -> str:
    return "x"
