import asyncio

from taskiq_redis import ListQueueBroker

from . import shop

broker = ListQueueBroker(shop.BROKER)
shop.setup_worker()


@broker.task
async def paint(token: str) -> None:
    shop.paint(token)


async def _send(tokens: list[str]) -> None:
    await broker.startup()
    for token in tokens:
        await paint.kiq(token)
    await broker.shutdown()


def send(tokens: list[str]) -> None:
    asyncio.run(_send(tokens))
