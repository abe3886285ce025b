"""A process that submits AI tasks, or is told of their ends by its standard input; it serves no application."""

import os
import signal
import sys
import zlib

import redis
from redis.sentinel import Sentinel

from wxiai_otel import complete_ai_task, setup_telemetry, start_ai_task

SERVICES = ("flux", "kling")
ROLES = ("vip", "user", None)


def status_of(token: str) -> str:
    """The same for each callback of a task."""
    return "failed" if zlib.crc32(token.encode()) % 10 == 0 else "success"


def client_of(where: str):
    """A client of what ``kind:port`` says."""
    kind, _, port = where.partition(":")
    if kind == "cluster":
        return redis.RedisCluster(host="127.0.0.1", port=int(port))
    if kind == "sentinel":
        return Sentinel([("127.0.0.1", int(port))]).master_for("mymaster")
    return f"redis://127.0.0.1:{port}"


def submit(count: int) -> None:
    for n in range(count):
        task = start_ai_task(SERVICES[n % 2], mode="video", user_role=ROLES[n % 3])
        sys.stdout.write(f"{task.token}\n")
    sys.stdout.flush()


def complete(pause_after: int) -> None:
    """Complete what is read, line by line; at the end, or at SIGTERM, say how many."""
    done = 0
    try:
        while line := sys.stdin.readline():
            complete_ai_task(line.strip(), status_of(line.strip()), error_type="rejected")
            done += 1
            if done == pause_after:
                sys.stdout.write("paused\n")
                sys.stdout.flush()
                signal.pause()
    finally:
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    setup_telemetry(service_name="worker", state_redis=client_of(os.environ["WORKER_REDIS"]))
    {"submit": submit, "complete": complete}[sys.argv[1]](int(sys.argv[2]))
    if "hang" in sys.argv:
        signal.pause()
