"""Run the demo: ``scripts/demo --help``."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stack.ports import free_port
from wxiai_otel import record_user_activity, setup_telemetry

from .pipeline import running_stack, stored_exposition
from .servers import DemoError, check_folder, check_port, check_redis, redis_server, web_server
from .table import metrics_table
from .traffic import drive

TRAFFIC_SECONDS = 15.0

# Users by their number, by the days since they were here.
EARLIER_USERS = {1: range(1, 50), 7: range(20, 61), 30: range(1, 30)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="An application with telemetry, under traffic, and what Prometheus sees of it."
    )
    parser.add_argument("--seconds", type=_seconds, help="drive traffic for so long, print the table and end")
    parser.add_argument("--port", type=_port, default=8000, help="of the application (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder for the database (default: a temporary one)")
    parser.add_argument("--database", help="postgresql://user:password@host/name instead of SQLite")
    parser.add_argument(
        "--stack", action="store_true", help="send to the stack of scripts/stack, and ask its Prometheus for the table"
    )
    parser.add_argument("--redis", help="redis://host:port/0 instead of a server of the demo's own")
    return parser.parse_args()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return port


def _run(arguments: argparse.Namespace, console: Console) -> None:
    with ExitStack() as stack:
        check_port(arguments.port)
        folder = arguments.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wxiai-demo-")))
        check_folder(folder)
        if arguments.redis:
            check_redis(arguments.redis)
        redis_url = arguments.redis or stack.enter_context(redis_server(folder))
        pipeline = stack.enter_context(running_stack()) if arguments.stack else None
        instance = str(uuid.uuid4())
        sending = (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.otlp,
                "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={instance}",
                "WXIAI_OTEL_TAIL_SAMPLING": os.environ.get("STACK_TAIL_SAMPLING") or "collector",
            }
            if pipeline
            else {}
        )
        provider = stack.enter_context(web_server("examples.wxiai.provider:app", free_port(), "AI provider", folder))
        url = stack.enter_context(
            web_server(
                "examples.wxiai.app:app",
                arguments.port,
                "application",
                folder,
                WXIAI_DATABASE_URL=arguments.database or f"sqlite:///{(folder / 'wxiai.db').absolute()}",
                WXIAI_REDIS_URL=redis_url,
                WXIAI_PROVIDER_URL=provider,
                WXIAI_OTEL_TASK_SECRET=secrets.token_urlsafe(),
                WXIAI_OTEL_SLOW_QUERY_SECONDS="0.01",
                **sending,
            )
        )
        _remember_earlier_users(redis_url)
        console.print(f"The application is at [bold]{url}[/bold]; 12 users are at work.")
        sent = _with_traffic(url, arguments.seconds or TRAFFIC_SECONDS, console)
        # The last tasks are still with the provider.
        time.sleep(min(2.0, arguments.seconds or 2.0))
        seen = httpx.get(f"{url}/monitoring/metrics", trust_env=False).text
        console.print(metrics_table(stored_exposition(pipeline.prometheus, instance, seen) if pipeline else seen))
        if pipeline:
            console.print(f"\nAsked of Prometheus at {pipeline.prometheus}; traces are in Jaeger at {pipeline.jaeger}.")
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(sent.items()))
        console.print(f"\n{sum(sent.values())} requests were answered: {statuses}")
        if arguments.seconds is None:
            console.print(
                f"Look at [bold]{url}/monitoring/metrics[/bold] and use {url}/docs; logs are in {folder}. Ctrl-C ends."
            )
            signal.pause()


def _remember_earlier_users(redis_url: str) -> None:
    """Some of today's users were here before, so that retention has something to show."""
    telemetry = setup_telemetry(state_redis=redis_url, redis=False, service_name="demo")
    for days, users in EARLIER_USERS.items():
        at = datetime.now(UTC) - timedelta(days)
        for number in users:
            record_user_activity(number, at)
    telemetry.shutdown()


def _with_traffic(url: str, seconds: float, console: Console) -> dict[str, int]:
    columns = (TextColumn("traffic"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("traffic", total=seconds)
        return asyncio.run(drive(url, seconds, lambda passed: progress.update(task, completed=passed)))


def main() -> int:
    """Run the demo; the exit status."""
    console = Console()
    if not console.is_terminal:
        console.width = 120
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _run(_arguments(), console)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except httpx.TransportError as error:
        print(f"demo: the application does not answer: {type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
