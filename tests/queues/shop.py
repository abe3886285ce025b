"""The tasks that every task queue of these tests runs, and the telemetry of its processes."""

import os

import redis
from fastapi import FastAPI

from wxiai_otel import complete_ai_task, record_user_registration, setup_telemetry, start_ai_task

BROKER = os.environ["BROKER"]
SETTINGS = {
    "otlp_endpoint": os.environ["RECEIVER"],
    "metric_export_interval": 60,
    "state_redis": BROKER,
    "task_secret": "a secret of these tests, long enough",
    "ai_services": ["kling"],
}


def setup_worker() -> None:
    setup_telemetry(service_name="worker", **SETTINGS)


def setup_web() -> None:
    setup_telemetry(FastAPI(title="web"), **SETTINGS)


def submitted() -> str:
    return start_ai_task("kling", mode="video").token


def paint(token: str) -> None:
    record_user_registration()
    complete_ai_task(token, "success")
    client = redis.Redis.from_url(BROKER)
    client.incr("done")
    client.close()
