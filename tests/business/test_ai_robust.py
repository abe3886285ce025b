"""monitor_ai_task among many, without telemetry, and where something of ours or of the application's fails."""

import asyncio
import concurrent.futures
import contextlib
import threading

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from tests.business.ai_tasks import Wrong, counts
from tests.business.internals import _ai
from tests.scrape import scrape
from wxiai_otel import monitor_ai_task, monitor_credits_operation, setup_telemetry


class TestManyAtATime:
    def test_threads_and_event_loops_are_counted_exactly(self, live):
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
        assert counts(live, "flux") == counts(live, "kling") == (2400, 1600, 800)


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
    def test_an_exception_without_a_text_is_counted(self, live, spans):
        class Mute(Exception):
            def __str__(self):
                raise LookupError

        error = Mute()
        with pytest.raises(Mute) as caught:
            monitor_ai_task("flux")(_raise)(error)
        assert caught.value is error
        assert counts(live) == (1, 0, 1)
        assert [span.attributes["error.type"] for span in spans.get_finished_spans()] == ["Mute"]

    def test_a_processor_of_spans_that_raises_loses_no_count(self, live, spans):
        class Processor(SpanProcessor):
            def on_end(self, span):
                raise LookupError

        trace.get_tracer_provider().add_span_processor(Processor())
        monitor_ai_task("flux")(lambda: None)()
        with pytest.raises(Wrong):
            monitor_ai_task("flux")(_raise)(Wrong())
        assert counts(live) == (2, 1, 1)


@pytest.mark.faulty
class TestAFaultOfOurs:
    @pytest.mark.parametrize("name", ["_count_submitted", "count_ended", "_attributes", "_say_outcome", "word"])
    async def test_changes_nothing(self, live, monkeypatch, name):
        def broken(*_args, **_kwargs):
            raise RuntimeError("a fault")

        monkeypatch.setattr(_ai, name, broken)
        assert monitor_ai_task("flux")(lambda: 7)() == 7
        assert await monitor_ai_task("flux")(asyncio.sleep)(0, 7) == 7
        with pytest.raises(Wrong):
            monitor_ai_task("flux")(_raise)(Wrong())


def _raise(error):
    raise error


class TestWhatAPlainFunctionReturns:
    """It is looked at only for whether the work goes on in it."""

    def test_is_not_resolved(self, live):
        class LazyProxy:
            """As those of Werkzeug, Celery and Django, which resolve their object for `isinstance`."""

            @property
            def __class__(self):
                raise RuntimeError("resolved")

        returned = [LazyProxy(), LazyProxy]
        for result in returned:
            assert monitor_ai_task("flux")(lambda result=result: result)() is result
            assert monitor_credits_operation("refund")(lambda result=result: result)() is result
        assert counts(live) == (2, 2, 0)
        assert scrape(live).value("credits_operations_total", operation="refund") == 2

    @pytest.mark.faulty
    def test_may_be_a_future_that_cannot_be_followed(self, live):
        class Future(concurrent.futures.Future):
            def add_done_callback(self, _callback):
                raise RuntimeError("refused")

        future = Future()
        assert monitor_ai_task("flux")(lambda: future)() is future
        assert counts(live) == (1, 1, 0)
