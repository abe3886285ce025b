"""The bridge's metrics of itself."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .._sender import Observe, Sender
from ._late import Late

OUTCOMES = ("delivered", "failed", "off", "invalid")
ATTEMPTS = ("delivered", "rejected", "failed")
# Where there was no more room: for request bodies, in the channel's queue, among the messages that are sent late.
ROOMS = ("requests", "queue", "late")
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)


class BridgeMetrics:
    """Counts what the bridge does; every series is there from the start.

    Parameters:
        channels: All channels by name.
        on: Those that are switched on.
    """

    def __init__(self, channels: Iterable[str], on: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        channels, on = tuple(channels), set(on)
        self._notifications = Counter(
            "wxiai_bridge_notifications",
            "Notifications of Alertmanager's, by what they were answered.",
            ("channel", "outcome"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "wxiai_bridge_notification_duration_seconds",
            "From a notification to its answer, with what it has waited.",
            ("channel",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._attempts = Counter(
            "wxiai_bridge_attempts",
            "Attempts to deliver, by what the other side has said.",
            ("channel", "outcome"),
            registry=self.registry,
        )
        self._attempt_seconds = Histogram(
            "wxiai_bridge_attempt_duration_seconds",
            "How long an attempt took.",
            ("channel",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._folded = Counter(
            "wxiai_bridge_folded_messages",
            "Messages that were delivered in a digest.",
            ("channel",),
            registry=self.registry,
        )
        self._queue = Gauge(
            "wxiai_bridge_queue_length", "Messages that wait for their turn.", ("channel",), registry=self.registry
        )
        self._held = Gauge(
            "wxiai_bridge_held_messages",
            "Messages that a channel has refused and that are not told yet.",
            ("channel",),
            registry=self.registry,
        )
        self._dropped = Counter(
            "wxiai_bridge_dropped_messages",
            "Messages for which there was no room. Alertmanager retries those of requests and queue.",
            ("channel", "room"),
            registry=self.registry,
        )
        self._heartbeat = Gauge(
            "wxiai_bridge_heartbeat_timestamp_seconds",
            "When Alertmanager has sent the Watchdog last; 0: never.",
            registry=self.registry,
        )
        enabled = Gauge("wxiai_bridge_channel_enabled", "1: switched on.", ("channel",), registry=self.registry)
        for channel in channels:
            enabled.labels(channel).set(channel in on)
            for outcome in OUTCOMES:
                self._notifications.labels(channel, outcome)
            self._seconds.labels(channel)
        for channel in on:
            for outcome in ATTEMPTS:
                self._attempts.labels(channel, outcome)
            self._attempt_seconds.labels(channel)
            self._folded.labels(channel)
            for room in ROOMS:
                self._dropped.labels(channel, room)

    def dropped(self, channel: str, room: str) -> None:
        """Count a message for which there was no room."""
        self._dropped.labels(channel, room).inc()

    def heartbeat(self) -> None:
        """Say that Alertmanager has sent the Watchdog."""
        self._heartbeat.set_to_current_time()

    def notification(self, channel: str, outcome: str, seconds: float) -> None:
        """Count a notification that was answered."""
        self._notifications.labels(channel, outcome).inc()
        self._seconds.labels(channel).observe(seconds)

    def attempts(self, channel: str) -> Observe:
        """What a channel's sender tells its attempts."""

        def observe(outcome: str, messages: int, seconds: float) -> None:
            self._attempts.labels(channel, outcome).inc()
            self._attempt_seconds.labels(channel).observe(seconds)
            if outcome == "delivered" and messages > 1:
                self._folded.labels(channel).inc(messages)

        return observe

    def queue(self, channel: str, sender: Sender) -> None:
        """Show how many messages of a channel wait."""
        self._queue.labels(channel).set_function(lambda: sender.waiting)

    def held(self, channel: str, late: Late) -> None:
        """Show how many messages of a channel are held."""
        self._held.labels(channel).set_function(lambda: late.held(channel))
