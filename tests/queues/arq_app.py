import asyncio

from arq import create_pool
from arq.connections import RedisSettings

from . import shop

shop.setup_worker()


async def paint(_context: dict, token: str) -> None:
    shop.paint(token)


class WorkerSettings:
    functions = (paint,)
    redis_settings = RedisSettings.from_dsn(shop.BROKER)
    poll_delay = 2  # arq may miss a cancellation within a Redis command


async def _send(tokens: list[str]) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for token in tokens:
        await pool.enqueue_job("paint", token)
    await pool.aclose()


def send(tokens: list[str]) -> None:
    asyncio.run(_send(tokens))
