"""A real uvicorn in the test's own event loop."""

import asyncio
import contextlib

import uvicorn

from tests.until import until


async def eventually(find):
    """Call `until` beside this event loop."""
    return await asyncio.to_thread(until, find)


@contextlib.asynccontextmanager
async def served(app, **options):
    """Serve an application with uvicorn in this event loop, and yield a function that connects to it.

    The function's attribute `connections` is the set of those that are open for the server.
    """
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="critical", **options)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started or serving.done())
    if serving.done():
        await serving
    port = server.servers[0].sockets[0].getsockname()[1]

    def connect():
        return asyncio.open_connection("127.0.0.1", port)

    connect.connections = server.server_state.connections
    try:
        yield connect
    finally:
        server.should_exit = True
        await serving
