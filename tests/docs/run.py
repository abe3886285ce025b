"""Execute the Python blocks of a page: python -m tests.docs.run PAGE."""

import ast
import asyncio
import inspect
import sys
from typing import Any

from tests.docs import prelude
from tests.docs.blocks import PAGES, executed, has_tests
from tests.internals import alert_sender

PAGE = sys.argv[1]


async def _execute(code: str, line: int, namespace: dict[str, Any]) -> None:
    compiled = compile("\n" * line + code, PAGE, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, namespace)
    if inspect.isawaitable(result):
        await result


async def _main() -> None:
    namespace = {**vars(prelude), "page": PAGES[PAGE].read_text()}
    if PAGE in prelude.SET_UP_FIRST:
        await _execute("from wxiai_otel import setup_telemetry\nsetup_telemetry(task_secret='docs')", 0, namespace)
    for block in executed(PAGE):
        if not has_tests(block):
            await _execute(block.code, block.line, namespace)
    await _execute(prelude.AFTERWARDS[PAGE], 0, namespace)


# Attempts to deliver notifications fail here, and are repeated soon.
alert_sender.BACKOFF_SECONDS = 0.01
asyncio.run(_main())
