"""Putting it in place."""

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import TracerProvider

from .._guard import guarded
from ..instruments import Instruments
from ..settings import Settings
from ._calls import Calls
from ._clients import Patches
from ._info import InfoPoller
from ._spans import RedisSpans


class RedisInstrumentation:
    """What `instrument_redis` has put in place."""

    def __init__(
        self,
        settings: Settings,
        instruments: Instruments,
        tracer_provider: TracerProvider,
        show_first: Callable[[Any], None] | None,
    ) -> None:
        self._calls = Calls(instruments, RedisSpans(tracer_provider))
        self._counting = self._seen = False
        self._show_first = show_first
        self._poller = InfoPoller(settings.redis_client, settings.redis_poll_interval, settings.redis_poll_timeout)
        instruments.observe("cache.size", self._poller.observe_size)
        instruments.observe("redis.memory.usage", self._poller.observe_ratio)
        self._patches = Patches(self._calls, self._see)

    def ping(self) -> bool:
        """See `InfoPoller.ping`."""
        return self._poller.ping()

    def uninstrument(self) -> None:
        """Put everything back."""
        self._patches.undo()
        self._poller.stop()

    def _see(self, client: Any) -> None:
        if not self._seen:
            if not self._counting:
                self._counting = True
                guarded("redis.zero")(self._calls.begin_at_zero)()
            # A client that cannot be queried, e.g. a fake, gives no server; the next client may.
            self._seen = self._poller.see(client)
            if self._show_first is not None:
                self._show_first(client)


def instrument_redis(
    settings: Settings,
    instruments: Instruments,
    tracer_provider: TracerProvider,
    show_first: Callable[[Any], None] | None = None,
) -> RedisInstrumentation:
    """Instrument redis-py in this process.

    redis-py's own metrics (``redis.observability``) stay off: they would count every command a second time.

    Parameters:
        settings: redis_client, redis_poll_interval and redis_poll_timeout.
        instruments: Record the metrics.
        tracer_provider: Makes the spans.
        show_first: Is shown the first client that sends, and never raises.
    """
    return RedisInstrumentation(settings, instruments, tracer_provider, show_first)
