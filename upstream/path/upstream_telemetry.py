"""A pytest plugin that sets telemetry up in a process of another project's tests.

UPSTREAM_SETTINGS holds the settings as JSON. At its end, each process writes what telemetry recorded to a file in the
directory UPSTREAM_RECORDED: a run that recorded nothing compares nothing.
"""

import functools
import importlib
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from wxiai_otel import _guard, setup_telemetry
from wxiai_otel.http import Http, Installation, install
from wxiai_otel.http._middleware import TelemetryMiddleware

_SETTINGS: dict[str, Any] = json.loads(os.environ["UPSTREAM_SETTINGS"])
# Families whose samples show that each instrumentation worked, and that exports arrived.
_SHOWN = ("http_requests_total", "database_queries_total", "redis_commands_total", "wxiai_otel_exports_total")

# Before the first application, so that SQLAlchemy and redis-py are instrumented in suites without one.
_process = setup_telemetry(service_name="upstream", **_SETTINGS)


def _after(cls: type, then: Callable[[Any], object]) -> None:
    """Call a function with each new instance of a class."""
    init: Any = cls.__init__

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it replaces it
        init(self, *args, **kwargs)
        then(self)

    cls.__init__ = __init__  # type: ignore[misc]


def _switch_on(installation: Installation) -> Installation:
    runtime = _process._runtime
    installation.http = Http(_process.settings, runtime, own_spans=True)
    installation.flush = runtime.force_flush
    return installation


# The layer of a raw ASGI application, which is kept as long as the application.
_layers: "WeakKeyDictionary[Any, TelemetryMiddleware]" = WeakKeyDictionary()


def _layered(app: Any) -> Any:
    """Return an ASGI application with the layer around it that `setup_telemetry` puts around FastAPI's stack."""
    if isinstance(app, (FastAPI, Starlette, TelemetryMiddleware)):
        return app
    try:
        if app not in _layers:
            _layers[app] = TelemetryMiddleware(app, _switch_on(Installation()))
        return _layers[app]
    except TypeError:  # it has no weak references
        return TelemetryMiddleware(app, _switch_on(Installation()))


def _layer_transport(client: TestClient) -> None:
    transport = client._transport
    transport.app = _layered(transport.app)


def _layer_protocol(protocol: Any) -> None:
    protocol.app = _layered(protocol.app)


_after(FastAPI, lambda app: setup_telemetry(app, **_SETTINGS))
_after(Starlette, lambda app: _switch_on(install(app)))
_after(TestClient, _layer_transport)
for _name in (
    "http.h11_impl:H11Protocol",
    "http.httptools_impl:HttpToolsProtocol",
    "http.zttp_impl:ZttpProtocol",
    "http.zttp_h2_impl:ZttpH2Protocol",
    "websockets.websockets_impl:WebSocketProtocol",
    "websockets.websockets_sansio_impl:WebSocketsSansIOProtocol",
    "websockets.wsproto_impl:WSProtocol",
):
    _module, _, _class = _name.partition(":")
    with warnings.catch_warnings(action="ignore"):  # of a deprecated module of websockets
        _protocol = getattr(importlib.import_module(f"uvicorn.protocols.{_module}"), _class)
    _after(_protocol, _layer_protocol)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Write what telemetry recorded in this process, and its faults."""
    _process.force_flush(5)
    text = _process.render_metrics()[0].decode()
    recorded: Counter[str] = Counter()
    for name, value in re.findall(r"^(\w+)(?:\{[^\n]*\})? ([0-9.e+]+)", text, re.MULTILINE):
        if name in _SHOWN:
            recorded[name] += int(float(value))
    path = Path(os.environ["UPSTREAM_RECORDED"]) / f"{os.getpid()}.json"
    path.write_text(json.dumps({"recorded": recorded, "faults": _guard.faults()}))
