"""What is watched and what watches: the example application under traffic, and the whole stack with its sinks."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy import insert, make_url, select

from examples.wxiai.config import Config
from examples.wxiai.database import CreditEntry, Database, User
from stack.ports import free_port
from stack.running import down, up
from stack.services import SERVICES
from tests.servers.pipeline import Pipeline
from tests.servers.robots import SECRET, Robots, robots

from . import traffic
from .programs import Program, running
from .sinks import Sinks
from .switches import FOLDER, Switches

JOB = "wxiai"
WORKERS = 2
# Room for what the application itself adds meanwhile: a Redis that is full altogether is another fault.
REDIS_BYTES = 256 * 2**20
_RICH = 10**7


@dataclass(frozen=True, slots=True)
class Platform:
    """All that a fault needs to begin and to end."""

    job: str
    url: str
    redis_url: str
    switches: Switches
    pipeline: Pipeline
    sinks: Sinks
    application: Program
    collector: Program

    def value(self, query: str) -> float:
        """The one number that Prometheus finds; 0 where it finds none."""
        found = self.pipeline.query(query)
        return float(found[0]["value"][1]) if found else 0.0

    def workers(self) -> float:
        """How many of the application's workers Prometheus knows."""
        return self.value(f'count(system_info{{job="{self.job}"}})')

    def is_firing(self, alert: str) -> bool:
        return bool(self.pipeline.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}'))

    def kill_collector(self) -> None:
        """By SIGKILL: the stack's own the first time, then the one that was started in its place."""
        own = self.pipeline.state.processes["collector"]
        if own.alive():
            os.kill(own.pid, signal.SIGKILL)
        else:
            self.collector.kill()


def wait(what: str, is_so: Callable[[], object], seconds: float) -> None:
    """Wait for something.

    Raises:
        TimeoutError: It has not come about.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.25)


@contextmanager
def stack(folder: Path, sink: Robots) -> Iterator[Pipeline]:
    """The stack, whose bridge tells the stand-ins."""
    data = folder / "stack"
    data.mkdir(parents=True)
    write_bridge(data / "bridge.toml", sink)
    up(data, usual_ports=False)
    try:
        yield Pipeline(data)
    finally:
        down(data)


def write_bridge(file: Path, sink: Robots) -> None:
    """A configuration of the bridge with the stand-ins of all channels that speak HTTP."""
    sections = [f'[webhook]\nurl = "{sink.url("webhook")}"', f'[wechat]\nwebhook_url = "{sink.url("wechat")}"']
    signed = ("dingtalk", "feishu")
    sections += [f'[{name}]\nwebhook_url = "{sink.url(name)}"\nsecret = "{SECRET}"' for name in signed]
    file.write_text("\n".join(sections))


def again(pipeline: Pipeline, name: str) -> Program:
    """A program in the place of one of the stack's own."""
    (service,) = (one for one in SERVICES if one.name == name)
    ports, data = pipeline.state.ports, pipeline.data
    command = [str(service.program()), *service.arguments(ports, data)]
    log = data / "logs" / f"{name}-again.log"
    return Program(command, ports[service.main], log, service.environ(ports, data))


@contextmanager
def platform(folder: Path, pipeline: Pipeline, sink: Robots, job: str = JOB) -> Iterator[Platform]:
    """The application with two workers, under traffic, and all of it known to Prometheus."""
    folder.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{folder / 'wxiai.db'}"
    redis_port, provider_port, port = free_port(), free_port(), free_port()
    redis_url, provider, url = (
        f"redis://127.0.0.1:{redis_port}/0",
        f"http://127.0.0.1:{provider_port}",
        f"http://127.0.0.1:{port}",
    )
    _make_rich(Config(make_url(database), redis_url, provider, callback_url=None, task_secret=None))
    environ = {
        FOLDER: str(folder / "switches"),
        "WXIAI_DATABASE_URL": database,
        "WXIAI_REDIS_URL": redis_url,
        "WXIAI_PROVIDER_URL": provider,
        "WXIAI_OTEL_TASK_SECRET": secrets.token_urlsafe(),
        "WXIAI_OTEL_TAIL_SAMPLING": "collector",
        "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url("otlp_http"),
        "OTEL_SERVICE_NAME": job,
    }
    server = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    uvicorn = [sys.executable, "-m", "uvicorn", "--log-level", "error"]
    with ExitStack() as started:
        started.enter_context(running([*server, "--maxmemory", str(REDIS_BYTES)], redis_port, folder / "redis.log"))
        target = [*uvicorn, "benchmarks.detection.provider:app", "--port", str(provider_port)]
        started.enter_context(running(target, provider_port, folder / "provider.log", **environ))
        target = [*uvicorn, "benchmarks.detection.application:app", "--port", str(port), "--workers", str(WORKERS)]
        application = started.enter_context(running(target, port, folder / "application.log", **environ))
        started.enter_context(traffic.healthy(url))
        collector = again(pipeline, "collector")
        started.callback(collector.end)
        made = Platform(
            job,
            url,
            redis_url,
            Switches(folder / "switches"),
            pipeline,
            Sinks(sink, pipeline.url("mailpit")),
            application,
            collector,
        )
        wait("two workers", lambda: made.workers() == WORKERS, 60)
        wait("requests", lambda: made.value(f'sum(rate(http_requests_total{{job="{job}"}}[30s]))') > 0, 60)
        yield made


@contextmanager
def everything(folder: Path) -> Iterator[Platform]:
    """All of it, with the stack's own."""
    with robots() as sink, stack(folder, sink) as pipeline, platform(folder / "platform", pipeline, sink) as made:
        yield made


def fill_redis(url: str, share: float) -> float:
    """Fill the memory that the server allows up to a share; when that was reached."""
    with redis.Redis.from_url(url) as client:
        number = 0
        while client.info("memory")["used_memory"] < share * REDIS_BYTES:
            client.set(f"filling:{number}", os.urandom(2**18))
            number += 1
        return time.time()


def empty_redis(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter("filling:*", count=1000):
            client.delete(key)


def _make_rich(config: Config) -> None:
    """Nobody has to buy credits: a tenth of the payments is declined, which is an alert of its own."""
    database = Database(config)
    database.create()
    with database.sessions.begin() as session:
        entries = [{"user_id": n, "amount": _RICH, "reason": "gift"} for n in session.scalars(select(User.id))]
        session.execute(insert(CreditEntry), entries)
    database.engine.dispose()
