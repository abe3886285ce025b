"""Like `celery_app`, but each child sets up telemetry."""

from celery import Celery
from celery.signals import worker_process_init

from . import shop

app = Celery("tests", broker=shop.BROKER)
worker_process_init.connect(lambda **_: shop.setup_worker(), weak=False)


@app.task
def paint(token: str) -> None:
    shop.paint(token)


def send(tokens: list[str]) -> None:
    for token in tokens:
        paint.delay(token)
