"""A pytest plugin that sets up telemetry in a process of another project's tests.

UPSTREAM_SETTINGS contains the settings as JSON. At its exit, each process writes a summary of the recorded telemetry to
a file in the directory UPSTREAM_RECORDED, because a run that records nothing proves nothing.
"""

import functools
import importlib
import json
import logging
import os
import re
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from fastapi import FastAPI
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool
from starlette.applications import Starlette
from starlette.testclient import TestClient

from wxiai_otel import _guard, setup_telemetry
from wxiai_otel.http import Http, Installation, install
from wxiai_otel.http._middleware import TelemetryMiddleware

_SETTINGS: dict[str, Any] = json.loads(os.environ["UPSTREAM_SETTINGS"])
# Metrics that show that each instrumentation worked, and that exports arrived.
_SHOWN = (
    "http_requests_total",
    "db_query_duration_seconds_count",
    "cache_operations_total",
    "wxiai_otel_exports_total",
)


class _Faults(logging.Handler):
    """A handler that collects the faults that the package logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the end of a fault's traceback."""
        if record.exc_info and "telemetry fault" in record.msg:
            self.texts.append("".join(traceback.format_exception(*record.exc_info))[-1_000:])


_faults = _Faults()
logging.getLogger("wxiai_otel").addHandler(_faults)

# Before the first application, so that SQLAlchemy and redis-py are instrumented in suites without one.
_process = setup_telemetry(service_name="upstream", **_SETTINGS)


def _after(cls: type, then: Callable[[Any], object]) -> None:
    """Call a function with each new instance of a class."""
    init: Any = vars(cls)["__init__"]
    # The package creates applications for its endpoints during the setup of another one.
    entered = threading.local()

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it replaces it
        init(self, *args, **kwargs)
        if not getattr(entered, "already", False):
            entered.already = True
            try:
                then(self)
            finally:
                entered.already = False

    cls.__init__ = __init__  # type: ignore[misc]


def _switch_on(installation: Installation) -> Installation:
    runtime: Any = _process._runtime
    installation.http = Http(_process.settings, runtime, own_spans=True)
    installation.flush = runtime.force_flush
    return installation


# Layers of raw ASGI applications, each kept as long as its application.
_layers: "WeakKeyDictionary[Any, TelemetryMiddleware]" = WeakKeyDictionary()


def _layered(app: Any) -> Any:
    """Wrap an ASGI application in the layer that `setup_telemetry` puts around FastAPI's middleware stack."""
    if isinstance(app, (FastAPI, Starlette, TelemetryMiddleware)):
        return app
    try:
        if app not in _layers:
            _layers[app] = TelemetryMiddleware(app, _switch_on(Installation()))
        return _layers[app]
    except TypeError:  # the type does not support weak references
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


_recorded: Counter[str] = Counter()


def _tally() -> None:
    """Add up the samples that telemetry recorded since its setup."""
    _process.force_flush(5)
    text = _process.render_metrics()[0].decode()
    for name, value in re.findall(r"^(\w+)(?:\{[^\n]*\})? ([0-9.e+]+)", text, re.MULTILINE):
        if name in _SHOWN:
            _recorded[name] += int(float(value))


def _listened_to(target: type, name: str) -> bool:
    return bool(getattr(target.dispatch, name)._clslevel.get(target))  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Set telemetry up again after a test that removed every listener from SQLAlchemy's classes."""
    global _process
    if not (_listened_to(Engine, "before_cursor_execute") and _listened_to(Pool, "checkout")):
        _tally()
        _process.shutdown()
        _process = setup_telemetry(service_name="upstream", **_SETTINGS)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Write the summary of the telemetry of this process, and its faults."""
    _tally()
    path = Path(os.environ["UPSTREAM_RECORDED"]) / f"{os.getpid()}.json"
    path.write_text(json.dumps({"recorded": _recorded, "faults": _guard.faults(), "texts": _faults.texts}))
