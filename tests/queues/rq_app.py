import redis
from rq import Queue

from . import shop

shop.setup_worker()


def paint(token: str) -> None:
    shop.paint(token)


def fail(token: str) -> None:
    shop.paint(token)
    raise ValueError(token)


def send(tokens: list[str]) -> None:
    queue = Queue(connection=redis.Redis.from_url(shop.BROKER))
    for number, token in enumerate(tokens):
        queue.enqueue((paint, fail)[number % 2], token)
