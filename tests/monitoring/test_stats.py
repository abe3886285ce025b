"""The figures of the platform, for admins only."""

import json
from types import SimpleNamespace
from typing import Annotated

import pytest
import redis
from fastapi import Depends, FastAPI, Header, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.middleware.base import BaseHTTPMiddleware

from tests.asgi import get, request
from tests.monitoring.conftest import header
from wxiai_otel import (
    complete_ai_task,
    record_credits,
    record_user_activity,
    record_user_registration,
    setup_telemetry,
    start_ai_task,
)
from wxiai_otel.prometheus import EmbeddedReader

ADMIN = [(b"role", b"admin")]


@pytest.fixture
def platform() -> FastAPI:
    """An application whose middleware finds the user by a header."""
    platform = FastAPI()

    class Authenticate(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            if role := request.headers.get("role"):
                request.state.user = SimpleNamespace(id=7, role=None if role == "none" else role)
            return await call_next(request)

    platform.add_middleware(Authenticate)

    @platform.get("/x")
    def x():
        pass

    return platform


async def stats(app, headers=()):
    answer = await get(app, "/monitoring/stats", headers=list(headers))
    return answer.status, json.loads(answer.body)


async def test_without_a_user_it_is_401_and_for_another_role_403(platform):
    setup_telemetry(platform)
    answer = await get(platform, "/monitoring/stats")
    assert (answer.status, header(answer, "www-authenticate")) == (401, "Bearer")
    for role in (b"user", b"other", b"none", b"Admin", b"administrator"):
        assert (await stats(platform, [(b"role", role)])) == (403, {"detail": "For admins only"})
    assert (await stats(platform, ADMIN))[0] == 200


async def test_roles_that_may_see_it_are_a_setting_and_need_not_be_labels(platform):
    setup_telemetry(platform, admin_roles=["root", "operator"])
    assert (await stats(platform, ADMIN))[0] == 403
    assert (await stats(platform, [(b"role", b"root")]))[0] == 200


async def test_a_role_that_no_label_names_is_not_the_admin_that_is_called_other(platform):
    setup_telemetry(platform, admin_roles=["other"])
    assert (await stats(platform, [(b"role", b"stranger")]))[0] == 403


@pytest.mark.faulty
async def test_a_user_that_cannot_be_found_is_none(platform):
    def raises(scope):
        raise LookupError

    setup_telemetry(platform, find_user=raises)
    assert (await stats(platform, ADMIN))[0] == 401


async def test_the_figures_are_exact(platform):
    setup_telemetry(platform, state_redis="memory")

    @platform.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.close()

    for _ in range(5):
        await get(platform, "/x")
    await get(platform, "/nowhere")
    for end in ("success", "success", "failed"):
        complete_ai_task(start_ai_task("kling", mode="video").token, end)
    start_ai_task("flux")
    record_credits("consume", 12.5)
    record_credits("purchase", 100)
    record_credits("purchase", 20)
    record_user_registration()
    record_user_activity("a")
    telemetry = setup_telemetry(platform)
    telemetry.force_flush()
    _, found = await stats(platform, ADMIN)
    assert found["total_requests"] == 6
    assert found["active_connections"] == 1, "this request itself"
    kling = found["ai_tasks_stats"].pop("kling")
    assert kling.pop("average_seconds") >= 0
    assert kling == {"submitted": 3, "success": 2, "failed": 1, "success_rate": 0.6667}
    nothing = {"submitted": 0, "success": 0, "failed": 0, "success_rate": None, "average_seconds": None}
    assert found["ai_tasks_stats"].pop("flux") == {**nothing, "submitted": 1}
    assert found["ai_tasks_stats"] == dict.fromkeys(("midjourney", "dreamwork", "jimeng"), nothing)
    assert found["credits"] == {
        "consumed": 12.5,
        "purchased": 120,
        "operations": {"consume": 1, "refund": 0, "purchase": 2},
    }
    assert found["users"] == {"active": 1, "daily": 1, "monthly": 1, "registrations": 1}
    assert (await stats(platform, ADMIN))[1]["total_requests"] == 7


async def test_the_cache_is_in_it(platform, redis_server):
    setup_telemetry(platform, state_redis="memory")
    client = redis.Redis(port=redis_server.port)
    client.set("a", 1)
    for key in ("a", "a", "a", "b"):
        client.get(key)
    _, found = await stats(platform, ADMIN)
    cache = found["cache_stats"]
    cache.pop("size_bytes")
    assert cache == {"hits": 3, "misses": 1, "hit_rate": 0.75, "operations": 5, "errors": 0}


async def test_it_answers_head_and_nothing_that_writes(platform):
    setup_telemetry(platform)
    assert (await request(platform, "HEAD", "/monitoring/stats", headers=ADMIN)).status == 200
    assert (await request(platform, "POST", "/monitoring/stats", headers=ADMIN)).status == 405


async def test_it_is_in_no_openapi_document(platform):
    setup_telemetry(platform)
    assert (await get(platform, "/monitoring/stats", headers=ADMIN)).status == 200
    assert set(platform.openapi()["paths"]) == {"/x"}
    assert (await get(platform, "/monitoring/docs")).status == 404


class TestADependencyOfTheApplication:
    async def test_works_with_its_own_and_with_the_state_of_the_application(self, platform):
        platform.state.secret = "hunter2"
        ended = []

        def token(authorization: Annotated[str, Header()] = ""):
            try:
                yield authorization.removeprefix("Bearer ")
            finally:
                ended.append(1)

        async def operator(request: Request, token: Annotated[str, Depends(token)]):
            if token != request.app.state.secret:
                raise HTTPException(418)

        setup_telemetry(platform, stats_dependency=operator)
        assert (await stats(platform, ADMIN))[0] == 418
        assert (await stats(platform, [(b"authorization", b"Bearer hunter2")]))[0] == 200
        assert len(ended) == 2

    async def test_may_be_one_of_fastapis_security(self, platform):
        setup_telemetry(platform, stats_dependency=HTTPBearer())
        assert (await stats(platform))[0] in (401, 403)
        assert (await stats(platform, [(b"authorization", b"Bearer x")]))[0] == 200

    async def test_is_overridden_as_the_application_overrides_it(self, platform):
        def operator():
            raise HTTPException(403)

        setup_telemetry(platform, stats_dependency=operator)
        assert (await stats(platform))[0] == 403
        platform.dependency_overrides[operator] = lambda: None
        assert (await stats(platform))[0] == 200

    async def test_raises_what_the_application_handles(self, platform):
        class Refused(Exception):
            pass

        def operator():
            raise Refused

        @platform.exception_handler(Refused)
        async def handle(request, error):
            return JSONResponse({"refused": True}, 451)

        setup_telemetry(platform, stats_dependency=operator)
        assert await stats(platform) == (451, {"refused": True})


async def test_behind_a_root_path_and_a_prefix_of_its_own(platform):
    setup_telemetry(platform, prefix="/ops/wxiai")
    answer = await get(platform, "/ops/wxiai/stats", headers=ADMIN)
    assert answer.status == 200
    answer = await get(platform, "/proxy/ops/wxiai/stats", headers=ADMIN, root_path="/proxy")
    assert answer.status == 200


async def test_where_telemetry_is_disabled_it_answers_zeros_to_admins_all_the_same(platform):
    setup_telemetry(platform, disabled=True)
    assert (await stats(platform))[0] == 401
    status, found = await stats(platform, ADMIN)
    assert (status, found["total_requests"], found["ai_tasks_stats"]["kling"]["submitted"]) == (200, 0, 0)


async def test_it_is_a_request_like_any_other(platform, spans):
    setup_telemetry(platform)
    await stats(platform, ADMIN)
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /monitoring/stats"


async def test_a_fault_in_collecting_is_500_and_tells_nothing(platform, monkeypatch):
    def broken(*args):
        raise RuntimeError("hunter2")

    setup_telemetry(platform)
    monkeypatch.setattr(EmbeddedReader, "families", broken)
    answer = await get(platform, "/monitoring/stats", headers=ADMIN)
    assert answer.status in (200, 500)
    assert b"hunter2" not in answer.body
    monkeypatch.undo()
