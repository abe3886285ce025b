"""What requests feel while 5,000 series are scraped: the embedded endpoint, and the plain exporter's in the event loop.

.venv-bench/bin/python -m benchmarks.scraped
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from .load import once, paced
from .processes import python
from .scrape import SERIES, fill

_REQUESTS_A_SECOND = 100
_SCRAPES_A_SECOND = 1
_PATHS = {"ours": "/monitoring/metrics", "plain": "/metrics/"}


def main() -> None:
    """Measure both in interleaved rounds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scraped", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="of requests in each (default: %(default)s)")
    options = parser.parse_args()
    found: dict[tuple[str, str], list[list[float]]] = {}
    with _serving("ours") as ours, _serving("plain") as plain:
        for _ in range(options.rounds):
            for which, port in (("ours", ours), ("plain", plain)):
                for when in ("at rest", "scraped each second"):
                    taken = asyncio.run(_requests(port, options.seconds, _PATHS[which] if "scraped" in when else None))
                    found.setdefault((which, when), []).append(taken)
    table = Table(title=f"ms a request, {SERIES:,} series: medians [lowest .. highest]", title_justify="left")
    for heading in ("", "", "p50", "p99", "longest"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for (which, when), rounds in found.items():
        cuts = [quantiles(taken, n=100) for taken in rounds]
        columns = ([cut[49] for cut in cuts], [cut[98] for cut in cuts], [max(taken) for taken in rounds])
        table.add_row(which, when, *(_spread(values) for values in columns))
    Console(width=120).print(table)


def _spread(seconds: list[float]) -> str:
    low, middle, high = (value * 1e3 for value in (min(seconds), median(seconds), max(seconds)))
    return f"{middle:.1f} [{low:.1f} .. {high:.1f}]"


async def _requests(port: int, seconds: float, scraped: str | None) -> list[float]:
    """How long each of the requests took, while it was scraped or not."""
    async with _scraping(port, scraped):
        taken, failed = await paced(port, "/", seconds, _REQUESTS_A_SECOND)
    if failed:
        raise RuntimeError(f"{failed} requests were not answered")
    return taken


@asynccontextmanager
async def _scraping(port: int, path: str | None) -> AsyncIterator[None]:
    async def scrape() -> None:
        while True:
            await once(port, str(path))
            await asyncio.sleep(1 / _SCRAPES_A_SECOND)

    task = asyncio.create_task(scrape()) if path else None
    yield
    if task is not None:
        if task.done():
            task.result()
        task.cancel()


@contextmanager
def _serving(which: str) -> Iterator[int]:
    """An application in a process of its own, and its port."""
    process = subprocess.Popen(python("benchmarks.scraped", which), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


async def _serve(which: str) -> None:
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def hello() -> str:
        return "hello"

    if which == "ours":
        import wxiai_otel

        telemetry = wxiai_otel.setup_telemetry(
            app, state_redis="memory", traces_exporter="none", metrics_exporter="none"
        )
        fill(telemetry._runtime.instruments)
    else:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider
        from prometheus_client import CollectorRegistry, make_asgi_app

        from wxiai_otel.instruments import Instruments

        registry = CollectorRegistry()
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
        fill(Instruments(MeterProvider([reader]).get_meter("plain"), 10_000))
        app.mount("/metrics/", make_asgi_app(registry))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1])) if sys.argv[1:2] in (["ours"], ["plain"]) else main()
