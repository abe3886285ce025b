"""`wxiai-otel run` exports at the end of a lifespan although all threads of the application are busy."""

import os
import subprocess
import sys
from pathlib import Path

import wxiai_otel.zero_code

PROGRAM = """
import asyncio, os, sitecustomize, time
from concurrent.futures import ThreadPoolExecutor
import anyio.to_thread
from wxiai_otel.zero_code import _application

async def main():
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    busy = [asyncio.create_task(asyncio.to_thread(time.sleep, 60))]
    busy.append(asyncio.create_task(anyio.to_thread.run_sync(time.sleep, 60)))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(sitecustomize._flush("app"), 30)
    os._exit(0)

_application.flush = lambda app: print("flushed", app, flush=True)
asyncio.run(main())
"""


def test_a_lifespan_ends_while_all_threads_are_busy():
    path = Path(wxiai_otel.zero_code.__file__).parent / "path"
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{Path.cwd()}"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout == "flushed app\n", ended.stderr
