"""monitor_ai_task on generators: a task ends with the last thing that was taken of it."""

import asyncio

import pytest
from opentelemetry import trace

from tests.business.ai_tasks import Wrong, cancelled, counts
from wxiai_otel import monitor_ai_task


class TestAnAsyncGenerator:
    async def test_ends_when_it_is_exhausted(self, live):
        @monitor_ai_task("flux")
        async def stream(count):
            for n in range(count):
                yield n

        assert [n async for n in stream(3)] == [0, 1, 2]
        assert counts(live) == (1, 1, 0)

    async def test_is_told_what_is_sent_and_thrown_in(self, live):
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
        assert counts(live) == (1, 0, 1)

    async def test_that_its_consumer_leaves_is_closed_and_cancelled(self, live, spans):
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
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)

    async def test_that_is_forgotten_is_closed_by_the_event_loop(self, live):
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
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)

    async def test_that_yields_when_it_is_closed_is_an_error_as_ever(self, live):
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

    async def test_has_its_context_only_while_it_runs(self, spans, live):
        @monitor_ai_task("flux")
        async def stream():
            for _ in range(2):
                assert trace.get_current_span().name == "ai_task flux"
                yield trace.get_current_span()

        before = trace.get_current_span()
        async for within in stream():
            assert trace.get_current_span() is before is not within
        assert trace.get_current_span() is before

    async def test_may_be_exhausted_by_another_task_than_began_it(self, live, caplog):
        @monitor_ai_task("flux")
        async def stream():
            yield 1
            yield 2

        generator = stream()
        assert await asyncio.create_task(_next(generator)) == 1
        assert await asyncio.create_task(_next(generator)) == 2
        with pytest.raises(StopAsyncIteration):
            await generator.asend(None)
        assert counts(live) == (1, 1, 0)
        assert not caplog.records


async def _next(generator):
    return await anext(generator)


class TestAGenerator:
    def test_gives_its_value_to_whoever_delegates_to_it(self, live):
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
        assert counts(live) == (1, 1, 0)

    def test_that_is_closed_is_cancelled_and_closes_within_its_context(self, live, spans):
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
        assert (counts(live), cancelled(live)) == ((1, 0, 0), 1)

    def test_that_raises_has_failed(self, live):
        @monitor_ai_task("flux")
        def stream():
            yield 1
            raise Wrong

        with pytest.raises(Wrong):
            list(stream())
        assert counts(live) == (1, 0, 1)
