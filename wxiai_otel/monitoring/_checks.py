"""Health checks, run in parallel and cached, each with a timeout."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from .._background import Periodic, resume
from .._database_errors import reduced
from .._questions import NotChecked, NothingToAsk, Question
from .._reentry import Serial
from ..instruments import Values

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a check. The message is public: it contains no host, address or text of an exception.

    Parameters:
        healthy: Whether no fault is known.
        message: The result in a few words.
        latency_ms: Duration of the check in milliseconds; ``None`` if nothing was checked.
    """

    healthy: bool
    message: str
    latency_ms: float | None


class _Check:
    def __init__(self, function: Callable[[], Any]) -> None:
        self.question = Question(function)
        self.health: Health | None = None
        self.checked_at = 0.0

    def is_due(self, max_age: float) -> bool:
        if self.health is None or self.health.latency_ms is None:
            return True
        return time.monotonic() - self.checked_at > max_age


class HealthChecks:
    """The checks of a process.

    Parameters:
        checks: By name: callables that return, at most False or a message, where all is well, and raise where not.
        interval: Seconds between two checks in the background.
        timeout: Seconds that a check may take.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Any]], interval: float, timeout: float) -> None:
        self._checks = {name: _Check(function) for name, function in checks.items()}
        self._interval = interval
        self._timeout = timeout
        self._turn = Serial()
        # Often: targets that are not used yet cost nothing to check, and may be used soon.
        self._work = Periodic("wxiai-otel-health", min(interval, _LOOK_SECONDS), self._look)

    def start(self) -> None:
        """Check in the background."""
        self._work.start()

    def stop(self) -> None:
        """Stop checking in the background."""
        self._work.stop()

    def add(self, name: str, function: Callable[[], Any]) -> None:
        """Add a check, or replace the one of that name."""
        self._checks[name] = _Check(function)

    def are_due(self, max_age: float) -> bool:
        """Return whether `results` would run any check."""
        return any(check.is_due(max_age) for check in self._checks.copy().values())

    def known(self) -> dict[str, Health]:
        """Return the latest results."""
        return {name: check.health for name, check in self._checks.copy().items() if check.health is not None}

    def results(self, max_age: float) -> dict[str, Health]:
        """Run the checks that are due, and return all results. Blocks while checks run.

        Parameters:
            max_age: Seconds for which an earlier result is used again.
        """
        resume()
        # Each check is bounded by the timeout, so another thread that runs them finishes within this time.
        with self._turn.held(2 * self._timeout + _LOOK_SECONDS) as held:
            if not held:
                return self.known()
            started = time.monotonic()
            ended: dict[Future[Any], float] = {}
            asked = [
                (check, check.question.begin(self._timeout))
                for check in self._checks.copy().values()
                if check.is_due(max_age)
            ]
            for _, answer in asked:
                answer.add_done_callback(lambda answer: ended.setdefault(answer, time.monotonic()))
            wait([answer for _, answer in asked], self._timeout)
            for check, answer in asked:
                seconds = ended.get(answer, time.monotonic()) - started
                check.health = self._health(answer, round(seconds * 1000, 1))
                check.checked_at = time.monotonic()
            return self.known()

    def observe(self) -> Iterator[tuple[Values, float]]:
        """Yield 1 or 0 for each check that checked something."""
        for name, check in self._checks.copy().items():
            if check.health is not None and check.health.latency_ms is not None:
                yield (name,), float(check.health.healthy)

    def _health(self, answer: Future[Any], latency_ms: float) -> Health:
        try:
            return _found(answer.result(0), latency_ms)
        except NothingToAsk:
            return Health(healthy=True, message="not configured", latency_ms=None)
        except NotChecked as reason:
            return Health(healthy=True, message=f"not checked: {reason}", latency_ms=None)
        except TimeoutError:
            return Health(healthy=False, message=f"no answer within {self._timeout:g} s", latency_ms=latency_ms)
        except Exception as error:  # noqa: BLE001 - a check raises if it fails
            return _failed(error, latency_ms)

    def _look(self) -> None:
        self.results(self._interval)


class Unhealthy(Exception):
    """A failed check with a public message."""


def _found(answer: object, latency_ms: float) -> Health:
    if answer is False:
        return Health(healthy=False, message="failed", latency_ms=latency_ms)
    message = reduced(answer) if isinstance(answer, str) else "ok"
    return Health(healthy=True, message=message, latency_ms=latency_ms)


def _failed(error: Exception, latency_ms: float) -> Health:
    # An exception's text may name hosts and users; its class does not.
    message = str(error) if isinstance(error, Unhealthy) else f"failed: {type(error).__name__}"
    return Health(healthy=False, message=message, latency_ms=latency_ms)
