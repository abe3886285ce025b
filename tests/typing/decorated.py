"""What a type checker must know of decorated functions: exactly what it knew before. Never run, only checked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, assert_type

from wxiai_otel import (
    AITask,
    complete_ai_task,
    monitor_ai_task,
    monitor_credits_operation,
    record_credits,
    start_ai_task,
)


@monitor_ai_task("flux")
def sync(prompt: str, size: int = 1, *, fast: bool = False) -> bytes:
    return b""


@monitor_ai_task("flux", mode=lambda *_, fast=False: "fast" if fast else "relax", user_role="vip", model="flux-2")
async def coroutine(prompt: str, *, fast: bool = False) -> bytes:
    return b""


@monitor_ai_task(lambda prompt: "flux")
async def stream(prompt: str) -> AsyncIterator[bytes]:
    yield b""


@monitor_ai_task("flux")
def generator(prompt: str) -> Iterator[bytes]:
    yield b""


@monitor_credits_operation("consume", balance=lambda result: result["left"])
def consume(user_id: str, amount: Decimal) -> dict[str, Decimal]:
    return {}


@monitor_credits_operation("refund", amount=5)
async def refund(user_id: str) -> None: ...


class Studio:
    @monitor_ai_task("flux")
    async def draw(self, prompt: str) -> bytes:
        return b""

    @monitor_credits_operation("consume", amount=lambda self, cost: cost, service="flux")
    def pay(self, cost: int) -> int:
        return cost

    @classmethod
    @monitor_ai_task("flux")
    def of_class(cls, prompt: str) -> "Studio":
        return cls()

    @staticmethod
    @monitor_ai_task("flux")
    def static(prompt: str) -> bytes:
        return b""


async def uses(studio: Studio) -> None:
    assert_type(sync("cat", 2, fast=True), bytes)
    begun: Coroutine[Any, Any, bytes] = coroutine("cat")
    assert_type(await begun, bytes)
    assert_type(await coroutine("cat", fast=True), bytes)
    assert_type(stream("cat"), AsyncIterator[bytes])
    assert_type(generator("cat"), Iterator[bytes])
    assert_type(consume("u", amount=Decimal(1)), dict[str, Decimal])
    assert_type(await studio.draw("cat"), bytes)
    assert_type(studio.pay(4), int)
    assert_type(Studio.of_class("cat"), Studio)
    assert_type(Studio.static("cat"), bytes)
    await refund("u")

    as_callable: Callable[[str], Awaitable[bytes]] = coroutine
    await as_callable("cat")

    task = start_ai_task("kling", "video", user_role="vip")
    assert_type(task, AITask)
    assert_type(task.token, str)
    complete_ai_task(task.token, "failed", error_type=ValueError("x"), queue_seconds=1, run_seconds=2.5)
    record_credits("purchase", Decimal("0.1"), balance=3)


async def errors(studio: Studio) -> None:
    # Each of these must be an error: mypy warns of an ignore that it does not need.
    sync(1)  # type: ignore[arg-type]
    sync("cat", quick=True)  # type: ignore[call-arg]
    await coroutine()  # type: ignore[call-arg]
    stream(5)  # type: ignore[arg-type]
    generator()  # type: ignore[call-arg]
    consume("u", amount="5")  # type: ignore[arg-type]
    await studio.draw(5)  # type: ignore[arg-type]
    studio.pay("4")  # type: ignore[arg-type]
    text: str = sync("cat")  # type: ignore[assignment]
    monitor_ai_task(5)  # type: ignore[arg-type]
    monitor_ai_task("flux")(5)  # type: ignore[type-var]
    record_credits("consume", "5")  # type: ignore[arg-type]
    start_ai_task("kling").token = text  # type: ignore[misc]
