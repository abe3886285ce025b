"""One channel's messages on their way: in threads of its own, bounded in number, time and rate.

Threads, so that it works from any event loop and none is blocked by a name server, a mail server or a robot that hangs.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from .._background import in_forked_child
from .._guard import fault
from .._own import own_traffic
from ._errors import NotDelivered
from ._message import Message, weight
from ._rate import Rate
from .channels import Channel

MAX_WAITING = 1_000
# Of the messages that wait or are under way on one channel.
MAX_WAITING_BYTES = 2 * 2**20
MAX_ATTEMPTS = 4
ATTEMPT_SECONDS = 5.0
BACKOFF_SECONDS = 0.5
_IDLE_SECONDS = 60.0
# Less than this is no time to send anything in.
_LEAST_SECONDS = 0.05

Observe = Callable[[str, int, float], None]


@dataclass(slots=True, eq=False)
class _Waiting:
    message: Message
    deadline: float
    last_call: float
    """When it is sent although the channel is paused, so that no pause is its end."""
    weight: int
    number: int = 0
    ready_at: float = 0.0
    attempts: int = 0
    reason: str = "it waited for its turn"
    future: "Future[None]" = field(default_factory=Future)

    def wait(self, now: float, paused_until: float) -> float:
        """Return the seconds until it may be sent, on a channel that is paused until a time."""
        return max(self.ready_at, min(paused_until, self.last_call)) - now

    def settle(self, error: NotDelivered | None = None) -> None:
        """Say what has become of it; whoever asked may have gone."""
        with suppress(InvalidStateError):
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)


class Sender:
    """Sends what it is given by one channel.

    Parameters:
        channel: The channel.
        observe: Is told each attempt: outcome (``delivered``, ``rejected``, ``failed``), messages, seconds.
        attempt_seconds: For one attempt.
        backoff_seconds: Before the second attempt; doubled before each further one.
    """

    def __init__(
        self,
        channel: Channel,
        observe: Observe | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        self.channel = channel
        self._observe = observe
        self._attempt_seconds = attempt_seconds
        self._backoff_seconds = backoff_seconds
        self._rate = Rate(channel.burst, channel.interval)
        self._paused_until = 0.0
        self._renew()
        in_forked_child(self._renew)

    def _renew(self) -> None:
        # What waited in the parent is the parent's, as are its threads; one of them may have held the lock.
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._sending: list[list[_Waiting]] = []
        self._threads = 0
        self._idle = 0
        self._number = 0
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Messages that are waiting for their turn."""
        return len(self._waiting)

    def submit(self, message: Message, seconds: float) -> "Future[None]":
        """Send a message soon.

        Parameters:
            message: What to send.
            seconds: Until it is given up.

        Returns:
            A future that is done when the other side has accepted it, or has the exception `NotDelivered`.
        """
        now = time.monotonic()
        last_call = now + seconds - min(self._attempt_seconds, seconds / 2)
        item = _Waiting(message, now + seconds, last_call, weight(message))
        displaced: list[_Waiting] = []
        with self._changed:
            error = self._refused()
            if error is None:
                displaced, error = self._room_for(item)
            if error is None:
                self._number += 1
                item.number = self._number
                self._waiting.append(item)
                self._changed.notify()
        if error is not None:
            item.settle(error)
        for other in displaced:
            other.settle(NotDelivered("displaced by a more urgent message", passes=True, full=True))
        return item.future

    def stop(self) -> None:
        """Send nothing more: what waits is not delivered; what is under way goes on."""
        with self._changed:
            self._stopped = True
            left, self._waiting = self._waiting, []
            self._changed.notify_all()
        for item in left:
            item.settle(NotDelivered("the sender has ended", passes=True))

    def _refused(self) -> NotDelivered | None:
        """Return why no message is taken now. Start the thread that one more needs."""
        if self._stopped:
            return NotDelivered("the sender has ended", passes=True)
        if self._idle <= len(self._waiting) and self._threads < self.channel.workers:
            try:
                threading.Thread(target=self._run, name=f"wxiai-otel-{self.channel.name}", daemon=True).start()
            except RuntimeError:  # no thread can be had, or the interpreter ends
                return None if self._threads else NotDelivered("no thread can be started", passes=True)
            self._threads += 1
        return None

    def _room_for(self, new: _Waiting) -> tuple[list[_Waiting], NotDelivered | None]:
        """Displace less urgent messages until a new one fits: resolved ones first, then the least severe, the oldest.

        Returns:
            The displaced messages, or why the new one is refused.
        """
        number = len(self._waiting) + 1 - MAX_WAITING
        size = self._bytes() + new.weight - MAX_WAITING_BYTES
        if number <= 0 and size <= 0:
            return [], None
        displaced: list[_Waiting] = []
        # The sort is stable: within an urgency the oldest stays first.
        for item in sorted(self._waiting, key=lambda item: item.message.urgency, reverse=True):
            if item.message.urgency <= new.message.urgency or (number <= 0 and size <= 0):
                break
            displaced.append(item)
            number, size = number - 1, size - item.weight
        if number > 0 or size > 0:
            waiting = f"{MAX_WAITING} messages" if number > 0 else f"messages of {MAX_WAITING_BYTES // 2**20} MiB"
            return [], NotDelivered(f"{waiting} wait already", passes=True, full=True)
        for item in displaced:
            self._waiting.remove(item)
        return displaced, None

    def _bytes(self) -> int:
        return sum(item.weight for batch in (self._waiting, *self._sending) for item in batch)

    def _run(self) -> None:
        changed = self._changed
        with own_traffic():
            while batch := self._next(changed):
                try:
                    self._send(changed, batch)
                except Exception as error:  # noqa: BLE001 - the next message may do better
                    fault(f"alerting.{self.channel.name}")
                    for item in batch:
                        item.settle(NotDelivered(type(error).__name__, passes=False))
                finally:
                    with changed:
                        self._sending.remove(batch)

    def _next(self, changed: threading.Condition) -> list[_Waiting]:
        """Wait for what is to be sent now; nothing when the thread is to end."""
        idle_until = time.monotonic() + _IDLE_SECONDS
        with changed:
            while not self._stopped:
                now = time.monotonic()
                self._expire(now)
                if self._waiting:
                    idle_until = now + _IDLE_SECONDS
                elif now >= idle_until:
                    break
                ready = [item for item in self._waiting if item.wait(now, self._paused_until) <= 0]
                if ready and self._rate.wait(now) <= 0:
                    if self.channel.burst:
                        # Turns are rare: the most urgent messages use this one, though the channel is paused.
                        ready = [item for item in self._waiting if item.ready_at <= now]
                    return self._take(ready, now)
                self._idle += 1
                changed.wait(self._until_something(now, idle_until))
                self._idle -= 1
            self._threads -= 1
            return []

    def _expire(self, now: float) -> None:
        for item in [item for item in self._waiting if item.deadline - now < _LEAST_SECONDS or item.future.cancelled()]:
            self._waiting.remove(item)
            item.settle(NotDelivered(item.reason, passes=True))

    def _take(self, ready: list[_Waiting], now: float) -> list[_Waiting]:
        ready.sort(key=lambda item: (item.message.urgency, item.number))
        batch = ready[: self.channel.fold([item.message for item in ready])]
        self._rate.take(now)
        for item in batch:
            self._waiting.remove(item)
        self._sending.append(batch)
        if self._waiting:
            self._changed.notify()
        return batch

    def _until_something(self, now: float, idle_until: float) -> float:
        """Seconds until a message is ready or given up, or the thread has been idle for long enough."""
        if not self._waiting:
            return idle_until - now
        ready = max(self._rate.wait(now), min(item.wait(now, self._paused_until) for item in self._waiting))
        given_up = min(item.deadline for item in self._waiting) - now - _LEAST_SECONDS
        return max(0.001, min(ready, given_up))

    def _send(self, changed: threading.Condition, batch: list[_Waiting]) -> None:
        started = time.monotonic()
        seconds = min(self._attempt_seconds, max(item.deadline for item in batch) - started)
        try:
            self.channel.send([item.message for item in batch], seconds)
        except NotDelivered as failed:
            self._tell("failed" if failed.passes else "rejected", batch, started)
            self._again(changed, batch, failed)
            return
        self._tell("delivered", batch, started)
        for item in batch:
            item.settle()

    def _tell(self, outcome: str, batch: list[_Waiting], started: float) -> None:
        if self._observe is not None:
            self._observe(outcome, len(batch), time.monotonic() - started)

    def _again(self, changed: threading.Condition, batch: list[_Waiting], failed: NotDelivered) -> None:
        """Have those that may yet be delivered in time wait for their next attempt; settle the others."""
        now = time.monotonic()
        given_up = []
        with changed:
            for item in batch:
                item.attempts += 1
                item.reason = failed.reason
                backoff = self._backoff_seconds * 2 ** (item.attempts - 1) * random.uniform(0.8, 1.2)  # noqa: S311
                # The requested delay yields to the message's last call, our own does not. A limit pauses the channel.
                requested = 0.0 if failed.limited else failed.after or 0.0
                item.ready_at = max(now + backoff, min(now + requested, item.last_call))
                late = item.ready_at >= item.deadline - _LEAST_SECONDS
                # Messages share the turns of a limited channel, so that a few attempts pass quickly.
                spent = item.attempts >= MAX_ATTEMPTS and not failed.limited
                if self._stopped or not failed.passes or spent or late:
                    given_up.append(item)
                else:
                    self._waiting.append(item)
            if failed.limited:
                least = max(item.ready_at for item in batch)
                self._paused_until = least if failed.after is None else max(least, now + failed.after)
        for item in given_up:
            item.settle(failed)
