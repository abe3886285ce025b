"""The example's AI provider, which fails when a switch says so and never by itself."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from examples.wxiai import provider

from .names import DEAD, DEAD_SWITCH, REFUSING, REFUSING_SWITCH
from .switches import Switches

_switches = Switches.of_environment()
app = provider.app


def _fails(service: str) -> bool:
    if service != DEAD or not _switches.is_on(DEAD_SWITCH):
        return False
    _switches.failed(DEAD_SWITCH)
    return True


provider._fails = _fails


@app.middleware("http")
async def _refuse(request: Request, call_next: Any) -> Any:
    if request.url.path.startswith(f"/{REFUSING}/") and _switches.is_on(REFUSING_SWITCH):
        _switches.failed(REFUSING_SWITCH)
        return JSONResponse({"detail": "no service"}, 503)
    return await call_next(request)
