"""monitor_ai_task leaves a function what it was: methods, arguments, signature, kind."""

import asyncio
import functools
import inspect

import pytest
from fastapi import FastAPI

from tests.asgi import get
from tests.business.ai_tasks import Wrong, counts
from wxiai_otel import monitor_ai_task, setup_telemetry


class Studio:
    name = "studio"

    @monitor_ai_task("flux")
    async def method(self, x):
        return self.name, x

    @monitor_ai_task("flux")
    @classmethod
    async def outside_of_classmethod(cls, x):
        return cls.name, x

    @classmethod
    @monitor_ai_task("flux")
    def inside_of_classmethod(cls, x):
        return cls.name, x

    @monitor_ai_task("flux")
    @staticmethod
    def outside_of_staticmethod(x):
        return "static", x

    @staticmethod
    @monitor_ai_task("flux")
    def inside_of_staticmethod(x):
        return "static", x

    async def __call__(self, x):
        return "called", x


class TestWhatIsCalled:
    async def test_methods_of_every_kind(self, live):
        studio = Studio()
        assert await studio.method(1) == ("studio", 1)
        assert await Studio.method(studio, 1) == ("studio", 1)
        assert await Studio.outside_of_classmethod(1) == ("studio", 1)
        assert studio.inside_of_classmethod(1) == ("studio", 1)
        assert Studio.outside_of_staticmethod(1) == studio.outside_of_staticmethod(1) == ("static", 1)
        assert Studio.inside_of_staticmethod(1) == ("static", 1)
        assert counts(live) == (7, 7, 0)

    async def test_partial_objects_instances_and_bound_methods(self, live):
        async def add(x, y):
            return x + y

        observe = monitor_ai_task("flux")
        assert await observe(functools.partial(add, 1))(2) == 3
        assert await observe(Studio())(1) == ("called", 1)
        assert await observe(add)(1, 2) == 3
        assert observe(len)("four") == 4
        assert counts(live) == (4, 4, 0)

    async def test_twice_decorated_counts_for_both(self, live):
        @monitor_ai_task("flux")
        @monitor_ai_task("kling")
        async def draw():
            raise Wrong

        with pytest.raises(Wrong):
            await draw()
        assert counts(live, "flux") == counts(live, "kling") == (1, 0, 1)

    def test_recursion(self, live):
        @monitor_ai_task("flux")
        def draw(depth):
            return depth and draw(depth - 1)

        draw(9)
        assert counts(live) == (10, 10, 0)


def plain(a: int, /, b: "str" = "x", *args: float, c: bool = False, **rest: object) -> bytes:
    """What it does."""
    return b""


async def coroutine(a: int) -> bytes:
    """What it does."""
    return b""


def generator(a: int):
    """What it does."""
    yield a


async def async_generator(a: int):
    """What it does."""
    yield a


class TestAFunctionStays:
    @pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator])
    def test_what_it_was(self, function):
        function.mark = "set by another decorator"
        decorated = monitor_ai_task("flux")(function)

        assert decorated is not function
        assert inspect.signature(decorated) == inspect.signature(function)
        for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "mark"):
            assert getattr(decorated, name) == getattr(function, name)
        for is_one in (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
            asyncio.iscoroutinefunction,
        ):
            assert is_one(decorated) == is_one(function)

    async def test_an_endpoint_of_fastapi_with_its_parameters(self, live):
        app = FastAPI()

        @app.get("/draw/{n}")
        @monitor_ai_task("flux")
        async def draw(n: int, size: int = 3):
            return n * size

        setup_telemetry(app)
        assert (await get(app, "/draw/4?size=5")).body == b"20"
        assert (await get(app, "/draw/4?size=x")).status == 422
        assert counts(live) == (1, 1, 0)
