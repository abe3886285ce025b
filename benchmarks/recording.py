"""Real exports: what a worker of an application sends to the Collector, as the SDK's exporters write it.

    python -m benchmarks.recording <redis URL> <routes> <folder for metrics.bin and traces.bin>

The application has its routes, a database of 20 tables, a cache, AI tasks and credits.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

TABLES = 20
_ROLES = ("user", "admin", "vip")


@contextmanager
def receiver() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Where the exporters send: its URL, and the largest export of each kind."""
    bodies: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kind = self.path.removeprefix("/v1/")
            bodies[kind] = max(body, bodies.get(kind, b""), key=len)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


async def record(url: str, redis_url: str, routes: int, folder: Path) -> None:
    """Have the application do each thing that makes a series, and export."""
    import httpx
    import sqlalchemy as sa
    from fastapi import FastAPI, HTTPException, Request
    from redis.asyncio import from_url

    import wxiai_otel as ours

    app = FastAPI()
    telemetry = ours.setup_telemetry(
        app,
        otlp_endpoint=url,
        metric_export_interval=3600,
        trace_share=1.0,
        workers_folder="none",
        task_secret="of this recording",
    )
    engine = sa.create_engine(f"sqlite:///{folder}/application.db")
    cache = from_url(redis_url)
    tables = [sa.Table(f"table{number}", sa.MetaData(), sa.Column("id", sa.Integer)) for number in range(TABLES)]

    def add(number: int) -> None:
        @app.get(f"/api/v1/resources{number}/{{item}}")
        async def read(item: str, request: Request) -> dict[str, str]:
            if item == "missing":
                raise HTTPException(404)
            request.state.user = SimpleNamespace(id=f"user-{item}", role=item)
            return {"item": item}

    for number in range(routes):
        add(number)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")
    async with app.router.lifespan_context(app), client:
        for number in range(routes):
            for item in (*_ROLES, "missing"):
                await client.get(f"/api/v1/resources{number}/{item}")
        with engine.begin() as connection:
            for table in tables:
                table.create(connection)
                for statement in (table.select(), table.insert().values(id=1), table.update().values(id=2)):
                    connection.execute(statement)
        await cache.set("key", "value")
        await cache.get("key")
        await cache.get("none")
        await cache.delete("key")
        for service in ("midjourney", "flux", "dreamwork", "jimeng", "kling"):
            ours.complete_ai_task(ours.start_ai_task(service, mode="image").token, "success")
            ours.record_credits("consume", 1, balance=99, service=service)
        await cache.aclose()
    telemetry.shutdown()
    engine.dispose()


def main() -> None:
    with receiver() as (url, bodies):
        folder = Path(sys.argv[3])
        asyncio.run(record(url, sys.argv[1], int(sys.argv[2]), folder))
        for kind, body in bodies.items():
            (folder / f"{kind}.bin").write_bytes(body)


if __name__ == "__main__":
    main()
