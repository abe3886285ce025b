"""Alerts that a channel has not received in time.

Alertmanager retries a notification for as long as its alerts fire. It drops alerts that have ended meanwhile: an event
that is over in a minute would be lost on a channel that is away for ten.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from .._message import Message, weight
from .._sender import Sender

# Alertmanager's backoff is 60 s at the most, give or take half of it, and each attempt may wait 25 s for the bridge. It
# starts again, at once, with each group_interval: its attempts are nearer to each other where that is short.
LATE_SECONDS = 150.0
# Of all channels together.
MAX_HELD = 5_000
MAX_HELD_BYTES = 12 * 2**20
_MAX_AT_ONCE = 50
_DETAIL = "延迟送达 told late"
_REASON = "渠道中断期间告警已结束或被静默 it has ended or was silenced while this channel could not be reached"

_Key = tuple[str, str]


@dataclass(slots=True)
class _Held:
    message: Message
    since: float
    weight: int
    asked: "Future[None] | None" = None


class Late:
    """Messages that channels have refused. They are sent once Alertmanager has stopped retrying them.

    They are kept in memory and lost with the process. Beyond `MAX_HELD` messages or `MAX_HELD_BYTES` the least severe
    are dropped, the oldest first.

    Parameters:
        senders: The channels' senders by name.
        seconds: Since Alertmanager's last attempt, until a message is sent from here.
        timeout: Of an attempt, in seconds.
        dropped: Called with the channel of each message that is dropped.
    """

    def __init__(
        self, senders: Mapping[str, Sender], seconds: float, timeout: float, dropped: Callable[[str], None]
    ) -> None:
        self._senders = senders
        self._seconds = seconds
        self._timeout = timeout
        self._dropped = dropped
        self._lock = threading.Lock()
        # The oldest first.
        self._held: dict[_Key, _Held] = {}
        self._bytes = 0

    def held(self, channel: str) -> int:
        """Return the number of messages of a channel."""
        return sum(name == channel for name, _ in self._held.copy())

    def refused(self, channel: str, message: Message) -> None:
        """Keep a message that was not delivered. Resolved ones are not kept: Alertmanager retries these."""
        if channel not in self._senders or message.resolved or not message.group:
            return
        key = (channel, message.group)
        with self._lock:
            self._forget(key)
            self._held[key] = held = _Held(message, time.monotonic(), weight(message))
            self._bytes += held.weight
            dropped = self._excess()
        for name, _ in dropped:
            self._dropped(name)

    def delivered(self, channel: str, message: Message) -> None:
        """Forget what is kept of the message's group: the message says it all."""
        with self._lock:
            self._forget((channel, message.group))

    def tell(self) -> None:
        """Send the messages that are due; returns at once."""
        for channel, sender in self._senders.items():
            self._tell(channel, sender, time.monotonic() - self._seconds)

    def _tell(self, channel: str, sender: Sender, before: float) -> None:
        with self._lock:
            own = [(key, held) for key, held in self._held.items() if key[0] == channel]
            if any(held.asked and not held.asked.done() for _, held in own):
                return
            due = [(key, held) for key, held in own if held.since <= before][:_MAX_AT_ONCE]
            for _, held in due:
                held.asked = sender.submit(_marked(held.message), self._timeout)
        # Not within the lock: a future that is already done calls back at once.
        for key, held in due:
            if held.asked is not None:
                held.asked.add_done_callback(partial(self._told, key, held))

    def _told(self, key: _Key, held: _Held, answer: "Future[None]") -> None:
        with self._lock:
            # Alertmanager may have sent news of the same group.
            if not answer.cancelled() and answer.exception() is None and self._held.get(key) is held:
                self._forget(key)

    def _forget(self, key: _Key) -> None:
        if (held := self._held.pop(key, None)) is not None:
            self._bytes -= held.weight

    def _excess(self) -> list[_Key]:
        """Remove the messages for which there is no room. Return their keys."""
        removed: list[_Key] = []
        if len(self._held) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            # The sort is stable: within an urgency the oldest stays first.
            for key in sorted(self._held, key=lambda key: self._held[key].message.urgency, reverse=True):
                if len(self._held) <= MAX_HELD and self._bytes <= MAX_HELD_BYTES:
                    break
                self._forget(key)
                removed.append(key)
        return removed


def _marked(message: Message) -> Message:
    alerts = (replace(alert, details={**alert.details, _DETAIL: _REASON}) for alert in message.alerts)
    return replace(message, alerts=tuple(alerts))
