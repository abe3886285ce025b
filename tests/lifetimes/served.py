"""An application for uvicorn, configured by the environment."""

from fastapi import FastAPI

from wxiai_otel import setup_telemetry

app = FastAPI()
setup_telemetry(app, state_redis="memory")


@app.get("/x")
async def answer() -> str:
    return "x"
