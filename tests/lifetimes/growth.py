"""Set up and shut down telemetry many times. As a program, print measurements of the process in between.

The arguments are the numbers of setups after which to measure, and the endpoint, empty for none.
"""

import asyncio
import gc
import json
import logging
import os
import statistics
import sys
import threading
import time
from pathlib import Path

from fastapi import FastAPI

from tests.asgi import get
from wxiai_otel import setup_telemetry


def once(endpoint: str) -> None:
    app = FastAPI()
    telemetry = setup_telemetry(app, otlp_endpoint=endpoint, shutdown_timeout=1, workers_folder="none")
    asyncio.run(get(app, "/x"))
    telemetry.shutdown()


def fork_seconds() -> float:
    """Return the seconds until a forked child has run its hooks and its parent continues."""
    before = time.perf_counter()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return time.perf_counter() - before


def measured() -> dict[str, float]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "threads": threading.active_count(),
        "files": len([*Path("/proc/self/fd").iterdir()]),
        "objects": len(gc.get_objects()),
        "fork": statistics.median(fork_seconds() for _ in range(9)),
    }


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    *numbers, endpoint = sys.argv[1:]
    found, done = [], 0
    for number in map(int, numbers):
        while done < number:
            once(endpoint)
            done += 1
        found.append(measured())
    sys.stdout.write(json.dumps(found))
