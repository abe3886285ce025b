"""What a task is counted by: service, mode, role and model."""

import asyncio
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request

from tests.asgi import get
from tests.business.ai_tasks import Color, Wrong, ai, counts, is_consistent
from tests.scrape import scrape
from wxiai_otel import monitor_ai_task, setup_telemetry


class TestServiceModeAndRole:
    async def test_are_values_or_callables_of_the_arguments(self, live):
        @monitor_ai_task(
            lambda self, provider, **_: provider,
            mode=lambda *_, fast=False: "fast" if fast else "relax",
            user_role=lambda self, provider, **_: "vip",
        )
        async def draw(self, provider, *, fast=False):
            pass

        await draw(None, "kling", fast=True)
        await draw(None, "flux")
        await draw(None, "nobody's")
        seen = scrape(live)
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {
            ("kling", "fast"): 1,
            ("flux", "relax"): 1,
            ("other", "relax"): 1,
        }
        assert seen.value("ai_tasks_total", status="success", user_role="vip") == 3

    @pytest.mark.parametrize(
        ("service", "mode", "role", "expected"),
        [
            (Color.FLUX, Color.FAST, Color.VIP, ("flux", "fast", "vip")),
            (lambda: Color.FLUX, lambda: None, lambda: None, ("flux", "default", "anonymous")),
            ("FLUX", "", "superuser", ("flux", "default", "other")),
            ("flux", 4, 5, ("flux", "4", "other")),
            (None, None, None, ("other", "default", "anonymous")),
            ("suno", "x" * 200, "anonymous", ("other", "other", "anonymous")),
            (lambda: ["a"], "a b", ["admin"], ("other", "a b", "other")),
        ],
    )
    def test_are_known_words(self, live, service, mode, role, expected):
        monitor_ai_task(service, mode=mode, user_role=role)(lambda: None)()
        seen = scrape(live)
        assert ai(seen) == {(expected[0], status, expected[2]): 1 for status in ("pending", "success")}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {expected[:2]: 1}
        assert is_consistent(seen, expected[0])

    @pytest.mark.faulty
    async def test_that_raise_are_other_and_default_and_the_task_runs(self, live):
        def broken(*_args):
            raise Wrong

        @monitor_ai_task(broken, mode=broken, user_role=broken, model=broken)
        async def draw():
            return 7

        assert await draw() == 7
        seen = scrape(live)
        assert ai(seen) == {("other", "pending", "anonymous"): 1, ("other", "success", "anonymous"): 1}
        assert seen.value("ai_task_duration_seconds_count", service="other", mode="default") == 1

    def test_modes_and_error_types_are_bounded_and_nothing_is_lost(self, live):
        for n in range(300):

            @monitor_ai_task("flux", mode=f"mode{n}")
            def draw(n=n):
                raise type(f"Error{n}", (Wrong,), {})

            with pytest.raises(Wrong):
                draw()
        seen = scrape(live)
        modes = seen.series("ai_task_duration_seconds_count", "mode")
        errors = seen.series("ai_service_failures_total", "error_type")
        assert (len(modes), modes[("other",)]) == (51, 250)
        assert (len(errors), errors[("other",)]) == (201, 100)
        assert seen.series("application_errors_total", "error_type") == errors
        assert counts(live) == (300, 0, 300)


@pytest.fixture
def studio():
    """An application whose dependency finds the user, as Open WebUI's does."""
    app = FastAPI()
    draw = monitor_ai_task("flux")(lambda: None)

    def user(request: Request, role: str = "vip"):
        request.state.user = SimpleNamespace(id=1, role=role)

    async def a_draw():
        await asyncio.sleep(0)
        draw()

    @app.get("/async", dependencies=[Depends(user)])
    async def in_the_event_loop():
        await monitor_ai_task("flux")(asyncio.sleep)(0)

    @app.get("/sync", dependencies=[Depends(user)])
    def in_a_thread():
        draw()

    @app.get("/background", dependencies=[Depends(user)])
    async def in_the_background(tasks: BackgroundTasks):
        tasks.add_task(draw)

    @app.get("/task", dependencies=[Depends(user)])
    async def in_a_task():
        app.state.task = asyncio.create_task(a_draw())

    @app.get("/nobody")
    async def nobody():
        draw()

    @app.get("/dependency")
    async def in_a_dependency(_: Annotated[None, Depends(user)], __: Annotated[None, Depends(draw)]):
        pass

    return app


class TestTheRoleOfTheRequest:
    @pytest.mark.parametrize("path", ["/async", "/sync", "/background", "/task", "/dependency"])
    async def test_is_that_of_its_user(self, studio, path):
        telemetry = setup_telemetry(studio)
        await get(studio, path)
        await get(studio, f"{path}?role=superuser")
        await asyncio.sleep(0.05)
        assert ai(scrape(telemetry)) == {
            ("flux", status, role): 1 for status in ("pending", "success") for role in ("vip", "other")
        }

    async def test_is_anonymous_without_one(self, studio):
        telemetry = setup_telemetry(studio)
        await get(studio, "/nobody")
        monitor_ai_task("flux")(lambda: None)()
        assert ai(scrape(telemetry)) == {("flux", "pending", "anonymous"): 2, ("flux", "success", "anonymous"): 2}

    async def test_is_each_ones_own_of_many_at_a_time(self, studio):
        telemetry = setup_telemetry(studio)
        paths = ("/async", "/sync", "/background")
        await asyncio.gather(
            *(get(studio, f"{path}?role={role}") for path in paths for role in ("admin", "user") for _ in range(50))
        )
        await get(studio, "/nobody")
        assert ai(scrape(telemetry)) == {
            ("flux", status, role): count
            for status in ("pending", "success")
            for role, count in (("admin", 150), ("user", 150), ("anonymous", 1))
        }
