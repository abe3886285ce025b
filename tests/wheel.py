"""Run where only the wheel is installed: the smallest application has its metrics and its version."""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
from fastapi import FastAPI

import wxiai_otel
from wxiai_otel._data import data_folder
from wxiai_otel.lay_out import Choices, contents

assert Path(wxiai_otel.__file__).parent.parent.name == "site-packages", wxiai_otel.__file__
assert (Path(wxiai_otel.__file__).parent / "py.typed").exists()
assert version("wxiai-otel") == wxiai_otel.__version__
assert data_folder("alerts").is_relative_to(Path(wxiai_otel.__file__).parent)
assert (data_folder("alerts") / "alertmanager.yml").is_file()
assert {"docker-compose.yml", "collector/contract.yaml", "dashboards/json/wxiai-http.json"} <= set(contents(Choices()))

app = FastAPI()
wxiai_otel.setup_telemetry(app)


@app.get("/hello/{name}")
async def hello(name: str) -> str:
    """Answer."""
    return name


async def use() -> str:
    """Send one request and scrape."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/hello/you")).json() == "you"
        return (await client.get("/monitoring/metrics")).text


exposition = asyncio.run(use())
expected = 'http_requests_total{endpoint="/hello/{name}",method="GET",status_code="200",user_role="anonymous"} 1.0'
assert expected in exposition, exposition
sys.stdout.write(f"{expected}\n")
