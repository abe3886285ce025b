import dramatiq
from dramatiq.brokers.redis import RedisBroker

from . import shop

dramatiq.set_broker(RedisBroker(url=shop.BROKER))
shop.setup_worker()


@dramatiq.actor
def paint(token: str) -> None:
    shop.paint(token)


def send(tokens: list[str]) -> None:
    for token in tokens:
        paint.send(token)
