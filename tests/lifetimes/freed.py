"""Set up, use and drop applications. As a program, print the objects that are left.

The arguments are ``shutdown`` or ``drop``, the number of applications, and the scenarios' names.
"""

import gc
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from tempfile import mkdtemp
from weakref import ref

from fastapi import FastAPI
from opentelemetry import metrics, trace

import wxiai_otel
from wxiai_otel import setup_telemetry

warnings.simplefilter("ignore")
from starlette.testclient import TestClient  # noqa: E402 - newer ones warn of httpx

DEAD = "http://127.0.0.1:9"


def served(app: FastAPI, *paths: str) -> None:
    with TestClient(app) as client:
        for path in ("/x", "/monitoring/metrics", "/monitoring/health", "/monitoring/stats", *paths):
            client.get(path)


def simple(**settings) -> list:
    app = FastAPI()
    app.get("/x")(lambda: "x")
    telemetry = setup_telemetry(app, **settings)
    served(app)
    return [app, telemetry]


def alone() -> list:
    return simple()


def contrib() -> list:
    return simple(http_engine="contrib")


def worker() -> list:
    return simple(workers_folder=mkdtemp(dir=sys.argv[-1]))


def dead_http() -> list:
    logging.getLogger("shop").error("exported")
    return simple(otlp_endpoint=DEAD, shutdown_timeout=0.1)


def dead_grpc() -> list:
    return simple(otlp_endpoint=DEAD, otlp_protocol="grpc", shutdown_timeout=0.1)


def disabled() -> list:
    return simple(disabled=True)


def set_up_in_lifespan() -> list:
    @asynccontextmanager
    async def lifespan(app):
        made.append(setup_telemetry(app))
        yield

    made: list = []
    app = FastAPI(lifespan=lifespan)
    served(app)
    return [app, *made]


def callables() -> list:
    """Pass callables that refer to the application, except a `stats_dependency`, which FastAPI's caches keep."""
    app = FastAPI()
    telemetry = setup_telemetry(
        app,
        health_checks={"own": lambda: bool(app)},
        ai_probes={"flux": lambda: bool(app)},
        avg_user_credits=lambda: len(app.routes),
        find_user=lambda _: ("u", str(app)),
    )
    telemetry.add_health_check("late", lambda: bool(app))
    served(app)
    return [app, telemetry]


def answers() -> list:
    """Add checks that return the application, or raise with it in their frames."""
    app = FastAPI()

    def fails() -> None:
        raise RuntimeError(str(app))

    telemetry = setup_telemetry(app, health_checks={"returns": lambda: app, "raises": fails})
    served(app)
    return [app, telemetry]


KEPT: list = []


def globals_of_modules() -> list:
    """Use meters and tracers that a module created before any setup. They keep their providers."""
    if not KEPT:
        KEPT[:] = metrics.get_meter("of a module").create_counter("of.a.module"), trace.get_tracer("of a module")
    counter, tracer = KEPT
    app, telemetry = simple()
    counter.add(1)
    with tracer.start_as_current_span("of a module"):
        pass
    return [app, telemetry]


def database() -> list:
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite://")
    app = FastAPI()
    app.state.engine = engine
    telemetry = setup_telemetry(app, engines={"main": engine})
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    served(app)
    return [app, telemetry, engine]


def cache() -> list:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis(port=9, retry=Retry(NoBackoff(), 0))
    app = FastAPI()
    app.state.client = client
    telemetry = setup_telemetry(app, redis_client=client)
    with suppress(redis.ConnectionError):
        client.get("x")
    served(app)
    return [app, telemetry, client]


def helpers() -> list:
    app, telemetry = simple()
    wxiai_otel.record_user_activity("u")
    wxiai_otel.record_login_failure("rejected")
    wxiai_otel.record_error("E", "shop")
    return [app, telemetry]


def two_at_once() -> list:
    first, second = simple(), simple()
    return [*first, *second]


def mounted() -> list:
    inner, telemetry = simple()
    outer = FastAPI()
    outer.mount("/inner", inner)
    around = setup_telemetry(outer)
    served(outer, "/inner/x")
    return [inner, telemetry, outer, around]


def set_up_again() -> list:
    app, telemetry = simple()
    telemetry.shutdown()
    again = setup_telemetry(app)
    served(app)
    return [app, telemetry, again]


def fails() -> list:
    app = FastAPI()
    with suppress(wxiai_otel.SettingError):
        setup_telemetry(app, prefix="no path")
    served(app)
    return [app]


def fails_late() -> list:
    from wxiai_otel import telemetry

    def broken(_: object) -> None:
        raise RuntimeError

    app, whole = FastAPI(), telemetry.install
    telemetry.install = broken
    try:
        with suppress(RuntimeError):
            setup_telemetry(app)
    finally:
        telemetry.install = whole
    return [app]


SCENARIOS: dict[str, Callable[[], list]] = {
    function.__name__: function
    for function in (
        alone, contrib, worker, dead_http, dead_grpc, disabled, set_up_in_lifespan, callables, answers,
        database, cache, helpers,
        two_at_once, mounted, set_up_again, fails, fails_late,
        globals_of_modules,  # the last: it keeps its providers until the next one
    )
}  # fmt: skip


def once(make: Callable[[], list], *, shutdown: bool) -> list[ref]:
    made = make()
    telemetries = [one for one in made if isinstance(one, wxiai_otel.Telemetry)]
    runtimes = [one._runtime for one in telemetries if one._runtime is not None]
    if shutdown:
        for telemetry in telemetries:
            telemetry.shutdown()
    return [*map(ref, made), *map(ref, runtimes)]


def of_package() -> dict[str, int]:
    """Count the living objects of the package's classes, except process-wide ones."""
    found: dict[str, int] = {}
    for one in gc.get_objects():
        kind = type(one)
        if str(getattr(kind, "__module__", "")).startswith("wxiai_otel") and not kind.__module__.startswith(_ONCE):
            found[f"{kind.__module__}.{kind.__qualname__}"] = found.get(f"{kind.__module__}.{kind.__qualname__}", 0) + 1
    return found


_ONCE = ("wxiai_otel.catalogue",)
# The process's telemetry, with the engines and clients that the settings name.
_GOES_ON = ("Runtime", "Engine", "Redis")


def left_of(name: str, count: int, *, shutdown: bool) -> dict:
    # The first application imports and caches process-wide objects.
    once(SCENARIOS[name], shutdown=shutdown)
    end_what_goes_on()
    settled(lambda: len(threading.enumerate()) == 1)
    before = of_package()
    refs = [one for _ in range(count) for one in once(SCENARIOS[name], shutdown=shutdown)]

    def found() -> dict:
        kinds = of_package()
        return {
            "alive": [type(one()).__name__ for one in refs if one() is not None],
            "more": {kind: more for kind, number in kinds.items() if (more := number - before.get(kind, 0)) > 0},
            "threads": [thread.name for thread in threading.enumerate()[1:]],
        }

    def kept() -> list[str]:
        return [kind for one in refs if (kind := type(one()).__name__) not in ("NoneType", *_GOES_ON)]

    settled(lambda: not kept())
    applications = kept()
    end_what_goes_on()
    # An export to a receiver that is away ends in a thread.
    settled(lambda: not any(found().values()))
    return {"kept": applications, **found()}


def end_what_goes_on() -> None:
    """Shut down the process's telemetry, which outlives dropped applications until the next setup."""
    gc.collect()
    once(alone, shutdown=True)


def settled(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    gc.collect()
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)
        gc.collect()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    how, number, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:-1]
    # Collections skip what exists now, most of which is modules.
    for module in ("grpc", "redis", "sqlalchemy"):
        import_module(module)
    end_what_goes_on()
    gc.freeze()
    found = {name: left_of(name, number, shutdown=how == "shutdown") for name in names}
    sys.stdout.write(json.dumps(found))
