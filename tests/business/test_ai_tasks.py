"""monitor_ai_task: a function is what it was, and each of its calls is counted exactly once by what became of it."""

import asyncio
import concurrent.futures
import contextvars
import threading
import traceback

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from starlette.requests import ClientDisconnect

from tests.business.ai_tasks import Wrong, ai, cancelled, counts, is_consistent, plainly
from tests.scrape import scrape
from wxiai_otel import monitor_ai_task


class TestACoroutineFunction:
    async def test_that_returns_is_a_success(self, live):
        @monitor_ai_task("flux", mode="fast", user_role="vip")
        async def draw(prompt, *, size):
            await asyncio.sleep(0)
            return prompt, size

        assert await draw("cat", size=2) == ("cat", 2)

        seen = scrape(live)
        assert ai(seen) == {("flux", "pending", "vip"): 1, ("flux", "success", "vip"): 1}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {("flux", "fast"): 1}
        assert seen.value("ai_tasks_submitted_total", service="flux", user_role="vip") == 1
        assert not seen.has("application_errors_total")
        assert is_consistent(seen)

    async def test_that_raises_is_a_failure_and_the_exception_is_the_same(self, live):
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
        seen = scrape(live)
        assert ai(seen) == {("flux", "pending", "anonymous"): 1, ("flux", "failed", "anonymous"): 1}
        assert seen.series("ai_service_failures_total", "service", "error_type") == {("flux", "Wrong"): 1}
        assert seen.series("application_errors_total", "error_type", "component") == {("Wrong", "ai_service_flux"): 1}
        assert seen.series("ai_task_duration_seconds_count", "service", "mode") == {("flux", "default"): 1}

    async def test_that_is_cancelled_is_not_failed(self, live, spans):
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

        assert counts(live) == (1, 0, 0)
        assert cancelled(live) == 1
        assert not scrape(live).has("application_errors_total")
        (span,) = spans.get_finished_spans()
        assert span.attributes["ai.task.outcome"] == "cancelled"
        assert "error.type" not in span.attributes
        assert span.status.status_code is StatusCode.UNSET

    async def test_is_cancelled_by_a_timeout_around_the_call_and_failed_by_one_within(self, live):
        @monitor_ai_task("flux")
        async def draw():
            await asyncio.sleep(10)

        @monitor_ai_task("kling")
        async def draw_in_time():
            await asyncio.wait_for(asyncio.sleep(10), 0.01)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(draw(), 0.01)
        with pytest.raises(TimeoutError):
            await draw_in_time()
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)
        assert (counts(live, "kling"), cancelled(live, "kling")) == ((1, 0, 1), 0)

    @pytest.mark.parametrize(
        "error",
        [
            KeyboardInterrupt(),
            SystemExit(),
            GeneratorExit(),
            concurrent.futures.CancelledError(),
            ClientDisconnect(),
            BaseExceptionGroup("", [asyncio.CancelledError(), KeyboardInterrupt()]),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_that_the_caller_ends_is_cancelled(self, live, error):
        @monitor_ai_task("flux")
        async def draw():
            raise error

        coroutine = draw()
        with pytest.raises(type(error)) as caught:
            coroutine.send(None)
        assert caught.value is error
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)

    def test_that_raises_while_it_is_closed_is_failed(self, live):
        @monitor_ai_task("flux")
        async def draw():
            raise BaseExceptionGroup("", [asyncio.CancelledError(), Wrong()])

        with pytest.raises(BaseExceptionGroup):
            draw().send(None)
        assert counts(live) == (1, 0, 1)

    async def test_that_is_never_awaited_is_no_task(self, live):
        @monitor_ai_task("flux")
        async def draw():
            pass

        draw().close()
        assert counts(live) == (0, 0, 0)

    def test_that_is_closed_from_another_context_leaves_no_word_in_the_log(self, live, caplog):
        @monitor_ai_task("flux")
        async def draw():
            await asyncio.sleep(1)

        async def begin():
            coroutine = draw()
            coroutine.send(None)
            contextvars.Context().run(coroutine.close)

        asyncio.run(begin())
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


class TestASpan:
    async def test_says_what_was_asked_of_whom(self, live, spans):
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

    async def test_of_a_failure_holds_the_exception(self, live, spans):
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

    async def test_is_the_child_of_what_was_current_and_the_parent_of_what_is_within(self, live, spans):
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
        assert counts(live, "flux") == counts(live, "kling") == (1, 1, 0)


class TestASyncFunction:
    def test_is_counted_by_its_end(self, live):
        @monitor_ai_task("flux")
        def draw(fails):
            if fails:
                raise Wrong
            return 7

        assert draw(False) == 7
        with pytest.raises(Wrong) as caught:
            draw(True)
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "draw"
        assert counts(live) == (2, 1, 1)

    async def test_that_returns_a_coroutine_ends_with_it(self, live, spans):
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
        assert counts(live) == (2, 1, 1)
        assert scrape(live).value("ai_task_duration_seconds_sum") > 0.09

    async def test_that_returns_a_generator_ends_with_it(self, live):
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
        seen = scrape(live)
        assert seen.value("ai_tasks_total", service="kling", status="success") == 0
        with pytest.raises(StopIteration) as stop:
            next(generator)
        assert stop.value.value == 2
        assert counts(live, "flux") == counts(live, "kling") == (1, 1, 0)

    async def test_that_returns_a_task_ends_with_it(self, live):
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
        assert scrape(live).value("ai_tasks_total", status="success") == 0
        await asyncio.sleep(0)
        gone.cancel()
        assert await good == 7
        await asyncio.gather(bad, gone, return_exceptions=True)
        await asyncio.sleep(0)
        assert (counts(live), cancelled(live)) == ((3, 1, 1), 1)

    def test_that_returns_an_executors_future_ends_with_it(self, live, spans):
        release = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:

            @monitor_ai_task("flux")
            def begin(work):
                return executor.submit(work)

            future, left = begin(release.wait), begin(release.wait)
            assert scrape(live).value("ai_tasks_total", status="success") == 0
            assert left.cancel()
            release.set()
            assert future.result(5) is True
        assert (counts(live), cancelled(live)) == ((2, 1, 0), 1)
        assert sorted(span.attributes["ai.task.outcome"] for span in spans.get_finished_spans()) == [
            "cancelled",
            "success",
        ]
