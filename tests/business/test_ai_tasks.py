"""monitor_ai_task: a function is what it was, and each of its calls is counted exactly once by what became of it."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import inspect
import threading
import traceback
from enum import Enum
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode

from tests.asgi import get
from tests.scrape import Scrape, scrape
from wxiai_otel import monitor_ai_task, setup_telemetry


@pytest.fixture
def telemetry(spans):
    return setup_telemetry(FastAPI())


def ai(seen: Scrape) -> dict[tuple[str, str, str], float]:
    """The tasks that there were: by service, status and role."""
    counts = seen.series("ai_tasks_total", "service", "status", "user_role")
    return {labels: count for labels, count in counts.items() if count}


def is_consistent(seen: Scrape, service: str = "flux") -> bool:
    """Whether everything that is counted of a task says the same."""
    pending, success, failed = (
        seen.value("ai_tasks_total", service=service, status=status) for status in ("pending", "success", "failed")
    )
    return (
        pending == seen.value("ai_tasks_submitted_total", service=service) == success + failed
        and success + failed == seen.value("ai_task_duration_seconds_count", service=service)
        and failed
        == seen.value("ai_service_failures_total", service=service)
        == seen.value("application_errors_total", component=f"ai_service_{service}")
    )


def counts(telemetry, service: str = "flux") -> tuple[float, float, float]:
    """Pending, success and failed of a service."""
    seen = scrape(telemetry)
    assert is_consistent(seen, service)
    return tuple(
        seen.value("ai_tasks_total", service=service, status=status) for status in ("pending", "success", "failed")
    )


class Wrong(Exception):
    pass


class Color(Enum):
    FLUX = "flux"
    FAST = "fast"
    VIP = "vip"


def plainly(function):
    """A decorator as most are: it returns whatever the function returns."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


class TestACoroutineFunction:
    async def test_that_returns_is_a_success(self, telemetry):
        @monitor_ai_task("flux", mode="fast", user_role="vip")
        async def draw(prompt, *, size):
            await asyncio.sleep(0)
            return prompt, size

        assert await draw("cat", size=2) == ("cat", 2)

        seen = scrape(telemetry)
        assert ai(seen) == {("flux", "pending", "vip"): 1, ("flux", "success", "vip"): 1}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {("flux", "fast"): 1}
        assert seen.value("ai_tasks_submitted_total", service="flux", user_role="vip") == 1
        assert not seen.has("application_errors_total")
        assert is_consistent(seen)

    async def test_that_raises_is_a_failure_and_the_exception_is_the_same(self, telemetry):
        error = Wrong("of the provider's")

        @monitor_ai_task("flux")
        async def draw():
            raise error

        with pytest.raises(Wrong) as caught:
            await draw()

        assert caught.value is error
        assert traceback.extract_tb(error.__traceback__)[-1].name == "draw"
        assert error.__cause__ is None
        assert error.__context__ is None
        seen = scrape(telemetry)
        assert ai(seen) == {("flux", "pending", "anonymous"): 1, ("flux", "failed", "anonymous"): 1}
        assert seen.series("ai_service_failures_total", "service", "error_type") == {("flux", "Wrong"): 1}
        assert seen.series("application_errors_total", "error_type", "component") == {("Wrong", "ai_service_flux"): 1}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {("flux", "default"): 1}

    async def test_that_is_cancelled_has_failed_and_is_cancelled_on_its_span(self, telemetry, spans):
        begun = asyncio.Event()

        @monitor_ai_task("flux")
        async def draw():
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(draw())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert counts(telemetry) == (1, 0, 1)
        assert scrape(telemetry).value("ai_service_failures_total", error_type="CancelledError") == 1
        (span,) = spans.get_finished_spans()
        assert span.attributes["ai.task.outcome"] == "cancelled"
        assert span.attributes["error.type"] == "CancelledError"

    async def test_that_runs_into_a_timeout_of_its_caller_has_failed(self, telemetry):
        @monitor_ai_task("flux")
        async def draw():
            await asyncio.sleep(10)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(draw(), 0.01)
        assert counts(telemetry) == (1, 0, 1)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_that_is_ended_from_outside_has_failed(self, telemetry, error):
        @monitor_ai_task("flux")
        async def draw():
            raise error

        coroutine = draw()
        with pytest.raises(error):
            coroutine.send(None)
        assert counts(telemetry) == (1, 0, 1)
        assert scrape(telemetry).value("ai_service_failures_total", error_type=error.__name__) == 1

    async def test_that_is_never_awaited_is_no_task(self, telemetry):
        @monitor_ai_task("flux")
        async def draw():
            pass

        draw().close()
        assert counts(telemetry) == (0, 0, 0)

    def test_that_is_closed_from_another_context_leaves_no_word_in_the_log(self, telemetry, caplog):
        @monitor_ai_task("flux")
        async def draw():
            await asyncio.sleep(1)

        async def begin():
            coroutine = draw()
            coroutine.send(None)
            contextvars.Context().run(coroutine.close)

        asyncio.run(begin())
        assert counts(telemetry) == (1, 0, 1)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


class TestASpan:
    async def test_says_what_was_asked_of_whom(self, telemetry, spans):
        @monitor_ai_task("flux", mode="image", model=lambda prompt: f"flux-{len(prompt)}")
        async def draw(prompt):
            trace.get_current_span().set_attribute("within", True)

        await draw("cat")

        (span,) = spans.get_finished_spans()
        assert span.name == "ai_task flux"
        assert dict(span.attributes) == {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "flux",
            "gen_ai.request.model": "flux-3",
            "gen_ai.output.type": "image",
            "ai.task.mode": "image",
            "ai.task.outcome": "success",
            "within": True,
        }
        assert span.status.status_code is StatusCode.UNSET

    async def test_of_a_failure_holds_the_exception(self, telemetry, spans):
        @monitor_ai_task("flux", mode="fast")
        async def draw():
            raise Wrong

        with pytest.raises(Wrong):
            await draw()
        (span,) = spans.get_finished_spans()
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "Wrong"
        assert span.attributes["ai.task.outcome"] == "failed"
        assert "gen_ai.output.type" not in span.attributes
        assert [event.name for event in span.events] == ["exception"]

    async def test_is_the_child_of_what_was_current_and_the_parent_of_what_is_within(self, telemetry, spans):
        tracer = trace.get_tracer("test")

        @monitor_ai_task("kling")
        async def inner():
            pass

        @monitor_ai_task("flux")
        async def outer():
            await inner()
            with tracer.start_as_current_span("work"):
                pass

        with tracer.start_as_current_span("request"):
            before = trace.get_current_span()
            await outer()
            assert trace.get_current_span() is before

        found = {span.name: span for span in spans.get_finished_spans()}
        assert found["ai_task flux"].parent.span_id == found["request"].context.span_id
        assert found["ai_task kling"].parent.span_id == found["ai_task flux"].context.span_id
        assert found["work"].parent.span_id == found["ai_task flux"].context.span_id
        assert counts(telemetry, "flux") == counts(telemetry, "kling") == (1, 1, 0)


class TestASyncFunction:
    def test_is_counted_by_its_end(self, telemetry):
        @monitor_ai_task("flux")
        def draw(fails):
            if fails:
                raise Wrong
            return 7

        assert draw(False) == 7
        with pytest.raises(Wrong) as caught:
            draw(True)
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "draw"
        assert counts(telemetry) == (2, 1, 1)

    async def test_that_returns_a_coroutine_ends_with_it(self, telemetry, spans):
        @monitor_ai_task("flux")
        @plainly
        @plainly
        async def draw(fails):
            assert trace.get_current_span().name == "ai_task flux"
            await asyncio.sleep(0.05)
            if fails:
                raise Wrong
            return 7

        assert await draw(False) == 7
        with pytest.raises(Wrong):
            await draw(True)
        assert counts(telemetry) == (2, 1, 1)
        assert scrape(telemetry).value("ai_task_duration_seconds_sum") > 0.09

    async def test_that_returns_a_generator_ends_with_it(self, telemetry):
        @monitor_ai_task("flux")
        @plainly
        async def slowly():
            yield 1
            yield 2

        @monitor_ai_task("kling")
        @plainly
        def quickly():
            yield 1
            return 2

        assert [item async for item in slowly()] == [1, 2]
        generator = quickly()
        assert next(generator) == 1
        seen = scrape(telemetry)
        assert seen.value("ai_tasks_total", service="kling", status="success") == 0
        with pytest.raises(StopIteration) as stop:
            next(generator)
        assert stop.value.value == 2
        assert counts(telemetry, "flux") == counts(telemetry, "kling") == (1, 1, 0)

    async def test_that_returns_a_task_ends_with_it(self, telemetry):
        async def work(fails):
            await asyncio.sleep(0.01)
            if fails:
                raise Wrong
            return 7

        @monitor_ai_task("flux")
        def begin(fails):
            return asyncio.get_running_loop().create_task(work(fails))

        good, bad, gone = begin(False), begin(True), begin(False)
        assert isinstance(good, asyncio.Task)
        assert scrape(telemetry).value("ai_tasks_total", status="success") == 0
        await asyncio.sleep(0)
        gone.cancel()
        assert await good == 7
        await asyncio.gather(bad, gone, return_exceptions=True)
        await asyncio.sleep(0)
        assert counts(telemetry) == (3, 1, 2)

    def test_that_returns_an_executors_future_ends_with_it(self, telemetry, spans):
        release = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:

            @monitor_ai_task("flux")
            def begin(work):
                return executor.submit(work)

            future, cancelled = begin(release.wait), begin(release.wait)
            assert scrape(telemetry).value("ai_tasks_total", status="success") == 0
            assert cancelled.cancel()
            release.set()
            assert future.result(5) is True
        assert counts(telemetry) == (2, 1, 1)
        assert sorted(span.attributes["ai.task.outcome"] for span in spans.get_finished_spans()) == [
            "cancelled",
            "success",
        ]


class TestAnAsyncGenerator:
    async def test_ends_when_it_is_exhausted(self, telemetry):
        @monitor_ai_task("flux")
        async def stream(count):
            for n in range(count):
                yield n

        assert [n async for n in stream(3)] == [0, 1, 2]
        assert counts(telemetry) == (1, 1, 0)

    async def test_is_told_what_is_sent_and_thrown_in(self, telemetry):
        @monitor_ai_task("flux")
        async def stream():
            got = []
            while True:
                try:
                    got.append((yield list(got)))
                except LookupError as error:
                    got.append(error)
                if len(got) == 3:
                    raise Wrong(got)

        generator = stream()
        error = LookupError("thrown in")
        assert await generator.asend(None) == []
        assert await generator.asend("a") == ["a"]
        assert await generator.athrow(error) == ["a", error]
        with pytest.raises(Wrong) as caught:
            await generator.asend("b")
        assert caught.value.args == (["a", error, "b"],)
        with pytest.raises(StopAsyncIteration):
            await generator.asend(None)
        assert counts(telemetry) == (1, 0, 1)

    async def test_that_its_consumer_leaves_is_closed_and_cancelled(self, telemetry, spans):
        closed_within = []

        @monitor_ai_task("flux")
        async def stream():
            try:
                while True:
                    yield 1
            finally:
                await asyncio.sleep(0)
                closed_within.append(trace.get_current_span())

        generator = stream()
        await anext(generator)
        await generator.aclose()

        (span,) = spans.get_finished_spans()
        assert closed_within[0].get_span_context() == span.get_span_context()
        assert span.attributes["ai.task.outcome"] == "cancelled"
        assert counts(telemetry) == (1, 0, 1)

    async def test_that_is_forgotten_is_closed_by_the_event_loop(self, telemetry):
        closed = asyncio.Event()

        @monitor_ai_task("flux")
        async def stream():
            try:
                yield 1
                yield 2
            finally:
                closed.set()

        async for _ in stream():
            break
        await asyncio.wait_for(closed.wait(), 2)
        await asyncio.sleep(0)
        assert counts(telemetry) == (1, 0, 1)

    async def test_that_yields_when_it_is_closed_is_an_error_as_ever(self, telemetry):
        @monitor_ai_task("flux")
        async def stream():
            try:
                yield 1
            except GeneratorExit:
                yield 2

        generator = stream()
        await anext(generator)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            await generator.aclose()

    async def test_has_its_context_only_while_it_runs(self, telemetry):
        @monitor_ai_task("flux")
        async def stream():
            for _ in range(2):
                assert trace.get_current_span().name == "ai_task flux"
                yield trace.get_current_span()

        before = trace.get_current_span()
        async for within in stream():
            assert trace.get_current_span() is before is not within
        assert trace.get_current_span() is before

    async def test_may_be_exhausted_by_another_task_than_began_it(self, telemetry, caplog):
        @monitor_ai_task("flux")
        async def stream():
            yield 1
            yield 2

        generator = stream()
        assert await asyncio.create_task(_next(generator)) == 1
        assert await asyncio.create_task(_next(generator)) == 2
        with pytest.raises(StopAsyncIteration):
            await generator.asend(None)
        assert counts(telemetry) == (1, 1, 0)
        assert not caplog.records


async def _next(generator):
    return await anext(generator)


class TestAGenerator:
    def test_gives_its_value_to_whoever_delegates_to_it(self, telemetry):
        @monitor_ai_task("flux")
        def stream():
            got = yield 1
            try:
                yield got
            except LookupError:
                return "returned"

        def outer():
            return (yield from stream())

        generator = outer()
        assert next(generator) == 1
        assert generator.send("sent") == "sent"
        with pytest.raises(StopIteration) as stop:
            generator.throw(LookupError())
        assert stop.value.value == "returned"
        assert counts(telemetry) == (1, 1, 0)

    def test_that_is_closed_is_cancelled_and_closes_within_its_context(self, telemetry, spans):
        within = []

        @monitor_ai_task("flux")
        def stream():
            try:
                yield 1
            finally:
                within.append(trace.get_current_span().get_span_context())

        generator = stream()
        next(generator)
        generator.close()
        (span,) = spans.get_finished_spans()
        assert within == [span.get_span_context()]
        assert span.attributes["ai.task.outcome"] == "cancelled"
        assert counts(telemetry) == (1, 0, 1)

    def test_that_raises_has_failed(self, telemetry):
        @monitor_ai_task("flux")
        def stream():
            yield 1
            raise Wrong

        with pytest.raises(Wrong):
            list(stream())
        assert counts(telemetry) == (1, 0, 1)


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
    async def test_methods_of_every_kind(self, telemetry):
        studio = Studio()
        assert await studio.method(1) == ("studio", 1)
        assert await Studio.method(studio, 1) == ("studio", 1)
        assert await Studio.outside_of_classmethod(1) == ("studio", 1)
        assert studio.inside_of_classmethod(1) == ("studio", 1)
        assert Studio.outside_of_staticmethod(1) == studio.outside_of_staticmethod(1) == ("static", 1)
        assert Studio.inside_of_staticmethod(1) == ("static", 1)
        assert counts(telemetry) == (7, 7, 0)

    async def test_partial_objects_instances_and_bound_methods(self, telemetry):
        async def add(x, y):
            return x + y

        observe = monitor_ai_task("flux")
        assert await observe(functools.partial(add, 1))(2) == 3
        assert await observe(Studio())(1) == ("called", 1)
        assert await observe(add)(1, 2) == 3
        assert observe(len)("four") == 4
        assert counts(telemetry) == (4, 4, 0)

    async def test_twice_decorated_counts_for_both(self, telemetry):
        @monitor_ai_task("flux")
        @monitor_ai_task("kling")
        async def draw():
            raise Wrong

        with pytest.raises(Wrong):
            await draw()
        assert counts(telemetry, "flux") == counts(telemetry, "kling") == (1, 0, 1)

    def test_recursion(self, telemetry):
        @monitor_ai_task("flux")
        def draw(depth):
            return depth and draw(depth - 1)

        draw(9)
        assert counts(telemetry) == (10, 10, 0)


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

    async def test_an_endpoint_of_fastapi_with_its_parameters(self, telemetry):
        app = FastAPI()

        @app.get("/draw/{n}")
        @monitor_ai_task("flux")
        async def draw(n: int, size: int = 3):
            return n * size

        setup_telemetry(app)
        assert (await get(app, "/draw/4?size=5")).body == b"20"
        assert (await get(app, "/draw/4?size=x")).status == 422
        assert counts(telemetry) == (1, 1, 0)


class TestServiceModeAndRole:
    async def test_are_values_or_callables_of_the_arguments(self, telemetry):
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
        seen = scrape(telemetry)
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
    def test_are_known_words(self, telemetry, service, mode, role, expected):
        monitor_ai_task(service, mode=mode, user_role=role)(lambda: None)()
        seen = scrape(telemetry)
        assert ai(seen) == {(expected[0], status, expected[2]): 1 for status in ("pending", "success")}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {expected[:2]: 1}
        assert is_consistent(seen, expected[0])

    @pytest.mark.faulty
    async def test_that_raise_are_other_and_default_and_the_task_runs(self, telemetry):
        def broken(*_args):
            raise Wrong

        @monitor_ai_task(broken, mode=broken, user_role=broken, model=broken)
        async def draw():
            return 7

        assert await draw() == 7
        seen = scrape(telemetry)
        assert ai(seen) == {("other", "pending", "anonymous"): 1, ("other", "success", "anonymous"): 1}
        assert seen.value("ai_task_duration_seconds_count", service="other", mode="default") == 1

    def test_modes_and_error_types_are_bounded_and_nothing_is_lost(self, telemetry):
        for n in range(300):

            @monitor_ai_task("flux", mode=f"mode{n}")
            def draw(n=n):
                raise type(f"Error{n}", (Wrong,), {})

            with pytest.raises(Wrong):
                draw()
        seen = scrape(telemetry)
        modes = seen.series("ai_task_duration_seconds_count", "mode")
        errors = seen.series("ai_service_failures_total", "error_type")
        assert (len(modes), modes[("other",)]) == (51, 250)
        assert (len(errors), errors[("other",)]) == (201, 100)
        assert seen.series("application_errors_total", "error_type") == errors
        assert counts(telemetry) == (300, 0, 300)


@pytest.fixture
def app():
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
    async def test_is_that_of_its_user(self, app, path):
        telemetry = setup_telemetry(app)
        await get(app, path)
        await get(app, f"{path}?role=superuser")
        await asyncio.sleep(0.05)
        assert ai(scrape(telemetry)) == {
            ("flux", status, role): 1 for status in ("pending", "success") for role in ("vip", "other")
        }

    async def test_is_anonymous_without_one(self, app):
        telemetry = setup_telemetry(app)
        await get(app, "/nobody")
        monitor_ai_task("flux")(lambda: None)()
        assert ai(scrape(telemetry)) == {("flux", "pending", "anonymous"): 2, ("flux", "success", "anonymous"): 2}

    async def test_is_each_ones_own_of_many_at_a_time(self, app):
        telemetry = setup_telemetry(app)
        paths = ("/async", "/sync", "/background")
        await asyncio.gather(
            *(get(app, f"{path}?role={role}") for path in paths for role in ("admin", "user") for _ in range(50))
        )
        await get(app, "/nobody")
        assert ai(scrape(telemetry)) == {
            ("flux", status, role): count
            for status in ("pending", "success")
            for role, count in (("admin", 150), ("user", 150), ("anonymous", 1))
        }


class TestManyAtATime:
    def test_threads_and_event_loops_are_counted_exactly(self, telemetry):
        quick = monitor_ai_task("flux")(_wrong_thirds)

        @monitor_ai_task("kling")
        async def slow(n):
            await asyncio.sleep(0)
            _wrong_thirds(n)

        async def all_of_a_loop():
            await asyncio.gather(*(slow(n) for n in range(300)), return_exceptions=True)

        def work():
            for n in range(300):
                with contextlib.suppress(Wrong):
                    quick(n)
            asyncio.run(all_of_a_loop())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts(telemetry, "flux") == counts(telemetry, "kling") == (2400, 1600, 800)


def _wrong_thirds(n):
    if n % 3 == 0:
        raise Wrong


class TestWithoutTelemetry:
    async def test_a_function_does_what_it_does_and_is_counted_from_the_set_up_on(self):
        @monitor_ai_task("flux")
        async def draw():
            return 7

        @monitor_ai_task("flux")
        async def stream():
            yield 7

        async def all_of_it():
            assert await draw() == 7
            assert [n async for n in stream()] == [7]

        await all_of_it()
        telemetry = setup_telemetry(FastAPI())
        assert counts(telemetry) == (0, 0, 0)
        await all_of_it()
        assert counts(telemetry) == (2, 2, 0)
        telemetry.shutdown()
        await all_of_it()

    async def test_a_call_that_spans_the_set_up_or_the_end_raises_nothing(self):
        @monitor_ai_task("flux")
        async def draw():
            await asyncio.sleep(0.05)
            return 7

        before = asyncio.create_task(draw())
        await asyncio.sleep(0.01)
        telemetry = setup_telemetry(FastAPI())
        during = asyncio.create_task(draw())
        assert await before == 7
        assert counts_of_pending(telemetry) == 1
        telemetry.shutdown()
        assert await during == 7

    async def test_disabled_telemetry_is_none(self):
        telemetry = setup_telemetry(FastAPI(), disabled=True)
        assert await monitor_ai_task("flux")(asyncio.sleep)(0, 7) == 7
        assert telemetry.render_metrics()[0] == b""


def counts_of_pending(telemetry) -> float:
    return scrape(telemetry).value("ai_tasks_total", status="pending")


@pytest.mark.faulty
class TestWhatIsTheApplications:
    def test_an_exception_without_a_text_is_counted(self, telemetry, spans):
        class Mute(Exception):
            def __str__(self):
                raise LookupError

        error = Mute()
        with pytest.raises(Mute) as caught:
            monitor_ai_task("flux")(_raise)(error)
        assert caught.value is error
        assert counts(telemetry) == (1, 0, 1)
        assert [span.attributes["error.type"] for span in spans.get_finished_spans()] == ["Mute"]

    def test_a_processor_of_spans_that_raises_loses_no_count(self, telemetry, spans):
        class Processor(SpanProcessor):
            def on_end(self, span):
                raise LookupError

        trace.get_tracer_provider().add_span_processor(Processor())
        monitor_ai_task("flux")(lambda: None)()
        with pytest.raises(Wrong):
            monitor_ai_task("flux")(_raise)(Wrong())
        assert counts(telemetry) == (2, 1, 1)


@pytest.mark.faulty
class TestAFaultOfOurs:
    @pytest.mark.parametrize("name", ["_count_submitted", "count_ended", "_attributes", "_say_outcome", "word"])
    async def test_changes_nothing(self, telemetry, monkeypatch, name):
        from wxiai_otel.business import _ai

        def broken(*_args, **_kwargs):
            raise RuntimeError("a fault")

        monkeypatch.setattr(_ai, name, broken)
        assert monitor_ai_task("flux")(lambda: 7)() == 7
        assert await monitor_ai_task("flux")(asyncio.sleep)(0, 7) == 7
        with pytest.raises(Wrong):
            monitor_ai_task("flux")(_raise)(Wrong())


def _raise(error):
    raise error
