"""The faults, one by one: how each begins, when it first made something fail, and how it ends."""

import contextlib
import time
from dataclasses import dataclass

import httpx

from . import traffic
from .names import DEAD_SWITCH, ERRORS, HOLD_PATH, POOL, REFUSING_SWITCH
from .platform import WORKERS, Platform, empty_redis, fill_redis, wait

CRITICAL_SECONDS = 60.0
_FIRST_FAILURE_SECONDS = 60.0


class Fault:
    """A switch in the application or in the provider."""

    def __init__(self, switch: str) -> None:
        self._switch = switch

    def begin(self, at: Platform) -> float:
        """Make it happen; when the first outcome failed."""
        at.switches.on(self._switch)
        wait("a first failure", lambda: at.switches.first_failure(self._switch), _FIRST_FAILURE_SECONDS)
        return at.switches.first_failure(self._switch) or 0.0

    def end(self, at: Platform) -> None:
        """Make it go away, and wait until it has."""
        at.switches.off(self._switch)


class PoolExhausted(Fault):
    def begin(self, at: Platform) -> float:
        at.switches.on(self._switch)
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(at.url + HOLD_PATH, trust_env=False, timeout=5)
        wait("the pool", lambda: at.switches.first_failure(self._switch), _FIRST_FAILURE_SECONDS)
        return at.switches.first_failure(self._switch) or 0.0


class RedisFull(Fault):
    def begin(self, at: Platform) -> float:
        return fill_redis(at.redis_url, 0.92)

    def end(self, at: Platform) -> None:
        empty_redis(at.redis_url)
        wait("Redis", lambda: at.value("max(redis_memory_usage_ratio)") < 0.85, 60)


class LoginFlood(Fault):
    _flood: traffic.LoginFlood

    def begin(self, at: Platform) -> float:
        self._flood = traffic.LoginFlood(at.url)
        wait("a failed login", lambda: self._flood.first_failure, _FIRST_FAILURE_SECONDS)
        return self._flood.first_failure or 0.0

    def end(self, at: Platform) -> None:  # noqa: ARG002 - as every fault
        self._flood.end()


class Abuse(Fault):
    def begin(self, at: Platform) -> float:
        return traffic.abuse(at.url)


class CollectorKilled(Fault):
    def begin(self, at: Platform) -> float:
        at.kill_collector()
        return time.time()

    def end(self, at: Platform) -> None:
        at.collector.start()
        wait("the Collector", lambda: at.workers() >= WORKERS, 60)


class ApplicationKilled(Fault):
    def begin(self, at: Platform) -> float:
        at.application.kill()
        return time.time()

    def end(self, at: Platform) -> None:
        at.application.start()
        wait("the application", lambda: at.workers() >= WORKERS, 60)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what is expected of it.

    Parameters:
        name: For ``--only``.
        title: For the table.
        fault: What happens.
        alerts: One of these is the page.
        within: Seconds from the first failed outcome to the page.
        companion: The specified alert that must not be a second page; the fault lasts until
            it fires. None: there is none.
    """

    name: str
    title: str
    fault: Fault
    alerts: tuple[str, ...]
    within: float = CRITICAL_SECONDS
    companion: str | None = None


# Those whose alerts take longest to end come first. What is told late has its `for`, the time until its window is
# over the threshold, and a minute for the way.
CASES = (
    Case(
        "ai",
        "one AI service dead",
        Fault(DEAD_SWITCH),
        ("AIServiceHighFailureRateFast", "AIProviderDown"),
        companion="AIServiceHighFailureRate",
    ),
    Case(
        "provider",
        "an AI provider refuses everything",
        Fault(REFUSING_SWITCH),
        ("AIServiceHighFailureRateFast", "AIProviderDown", "HealthCheckFailing"),
        companion="HealthCheckFailing",
    ),
    Case(
        "errors", "every 10th request is answered 500", Fault(ERRORS), ("HighErrorRateFast",), companion="HighErrorRate"
    ),
    Case(
        "pool",
        "a database pool exhausted",
        PoolExhausted(POOL),
        ("DatabaseConnectionPoolExhaustedFast",),
        companion="DatabaseConnectionPoolExhausted",
    ),
    Case("redis", "Redis' memory 92 % full", RedisFull(""), ("RedisHighMemoryUsage",), within=300 + CRITICAL_SECONDS),
    Case(
        "logins",
        f"{traffic.LOGINS_PER_SECOND} failed logins a second",
        LoginFlood(""),
        ("HighLoginFailureRate",),
        # 10 a second over 5 minutes are 3,000.
        within=3000 / traffic.LOGINS_PER_SECOND + 120 + CRITICAL_SECONDS,
    ),
    Case("abuse", "a client's 1,200th request in a minute", Abuse(""), ("APIAbuseDetected",)),
    Case("collector", "the Collector killed", CollectorKilled(""), ("CollectorDown",)),
    Case("application", "the application killed", ApplicationKilled(""), ("ApplicationDown",)),
)
