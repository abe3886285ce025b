"""What a channel was not told in time.

Alertmanager tries a notification again for as long as its alerts fire. Of one that has ended meanwhile it says nothing:
an event that is over in a minute would be lost on a channel that is away for ten.
"""

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from .._message import Message
from .._sender import Sender

# Alertmanager's backoff is 60 s at the most, give or take half of it, and each attempt may wait 25 s for the bridge. It
# begins anew, at once, with each group_interval: its attempts are nearer to each other where that is short.
LATE_SECONDS = 150.0
_MAX_HELD = 1_000
_MAX_AT_ONCE = 50
_DETAIL = "延迟送达 told late"
_REASON = "渠道中断期间告警已结束或被静默 it has ended or was silenced while this channel could not be reached"


@dataclass(slots=True)
class _Held:
    message: Message
    since: float
    asked: "Future[None] | None" = None


class Late:
    """Holds what one channel has refused, and tells it when Alertmanager tries it no more.

    In memory: what is held is lost with the process.

    Parameters:
        sender: The channel's.
        seconds: Since Alertmanager's last attempt, until it is ours to tell.
        timeout: Of an attempt.
    """

    def __init__(self, sender: Sender, seconds: float, timeout: float) -> None:
        self._sender = sender
        self._seconds = seconds
        self._timeout = timeout
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def refused(self, message: Message) -> None:
        """A message was not delivered. The end of what was told is Alertmanager's to try again."""
        if message.resolved or not message.group:
            return
        with self._lock:
            self._held[message.group] = _Held(message, time.monotonic())
            self._held.move_to_end(message.group)
            if len(self._held) > _MAX_HELD:
                self._held.popitem(last=False)

    def delivered(self, message: Message) -> None:
        """A message was, and with it all that its group had to say."""
        with self._lock:
            self._held.pop(message.group, None)

    def tell(self) -> None:
        """Tell what is late; returns at once."""
        before = time.monotonic() - self._seconds
        with self._lock:
            if any(held.asked and not held.asked.done() for held in self._held.values()):
                return
            due = [(group, held) for group, held in self._held.items() if held.since <= before][:_MAX_AT_ONCE]
            for _, held in due:
                held.asked = self._sender.submit(_marked(held.message), self._timeout)
        # Not within the lock: whoever is answered already calls back at once.
        for group, held in due:
            if held.asked is not None:
                held.asked.add_done_callback(partial(self._told, group, held))

    def _told(self, group: str, held: _Held, answer: "Future[None]") -> None:
        with self._lock:
            # Alertmanager may have come with news of the same group.
            if not answer.cancelled() and answer.exception() is None and self._held.get(group) is held:
                del self._held[group]


def _marked(message: Message) -> Message:
    alerts = (replace(alert, details={**alert.details, _DETAIL: _REASON}) for alert in message.alerts)
    return replace(message, alerts=tuple(alerts))
