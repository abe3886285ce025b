from celery import Celery

from . import shop

app = Celery("tests", broker=shop.BROKER)
app.conf.worker_hijack_root_logger = False
shop.setup_worker()


@app.task
def paint(token: str) -> None:
    shop.paint(token)


def send(tokens: list[str]) -> None:
    for token in tokens:
        paint.delay(token)
