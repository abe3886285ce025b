"""A layer around the application and the application itself share one state, whatever either does with it."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from wxiai_otel import setup_telemetry

State = dict[str, Any]


class Around:
    """A layer that gives each request a state, and keeps it."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.state: State = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.state = scope["state"] = {"old": 1}
        await self.app(scope, receive, send)


def merge(state: State) -> None:
    state |= {"new": 2}


CHANGES: dict[str, tuple[Callable[[State], object], State]] = {
    "item": (lambda state: state.__setitem__("new", 2), {"old": 1, "new": 2}),
    "update": (lambda state: state.update(new=2), {"old": 1, "new": 2}),
    "setdefault": (lambda state: state.setdefault("new", 2), {"old": 1, "new": 2}),
    "merge": (merge, {"old": 1, "new": 2}),
    "delete": (lambda state: state.__delitem__("old"), {}),
    "pop": (lambda state: state.pop("old"), {}),
    "popitem": (lambda state: state.popitem(), {}),
    "clear": (lambda state: state.clear(), {}),
    "copy": (lambda state: copy.copy(state).update(new=2), {"old": 1}),
    "deepcopy": (lambda state: copy.deepcopy(state).update(new=2), {"old": 1}),
    "pickle": (lambda state: pickle.loads(pickle.dumps(state)).update(new=2), {"old": 1}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_layer_around_sees_what_the_application_changes(name: str) -> None:
    change, expected = CHANGES[name]
    app = FastAPI()
    inside: list[Any] = []

    @app.get("/")
    def index(request: Request) -> None:
        state = request.scope["state"]
        change(state)
        inside.extend((dict(state), {**state}, json.loads(json.dumps(state)), list(state.items()), len(state)))

    telemetry = setup_telemetry(app)
    around = Around(app)
    assert TestClient(around).get("/").status_code == 200
    telemetry.shutdown()
    assert around.state == expected
    assert inside == [expected, expected, expected, list(expected.items()), len(expected)]


READS: dict[str, Callable[[Request], object]] = {
    "attribute": lambda request: request.state.late,
    "item": lambda request: request.scope["state"]["late"],
    "get": lambda request: request.scope["state"].get("late"),
    "in": lambda request: "late" in request.scope["state"] and 3,
    "dict": lambda request: dict(request.scope["state"])["late"],
    "values": lambda request: list(request.scope["state"].values())[-1],
}


@pytest.mark.parametrize("name", READS)
def test_the_application_sees_what_a_layer_around_changes(name: str) -> None:
    app = FastAPI()
    around = Around(app)
    found: list[object] = []

    @app.get("/")
    def index(request: Request) -> None:
        around.state["late"] = 3
        found.append(READS[name](request))

    telemetry = setup_telemetry(app)
    assert TestClient(around).get("/").status_code == 200
    telemetry.shutdown()
    assert found == [3]
