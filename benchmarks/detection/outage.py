"""A channel that is away while faults come and go: what is told, when, and how often."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import traffic
from .names import ERRORS
from .platform import Platform
from .sinks import CHANNELS

AWAY = "dingtalk"
# What a robot that is away does, in turn.
WAYS = ("500", "hang", "429", "reset", "errcode:-1:system busy")
TOLD_SECONDS = 90.0
# The bridge waits so long for Alertmanager before it tells of something by itself.
LATE_SECONDS = 330.0

LASTING = "HighErrorRateFast"
PASSING = "APIAbuseDetected"


@dataclass(slots=True)
class Outage:
    """What has come of it.

    Parameters:
        seconds: How long the channel was away.
        told: By alert and channel: seconds from the fault's first failed outcome to each page.
        after: By alert: seconds from the channel's return to its page.
    """

    seconds: float
    told: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """What is wrong."""
        return [
            f"{name}: {channel}: {len(times)} pages"
            for name, channels in self.told.items()
            for channel, times in channels.items()
            if len(times) != 1
        ] + [
            f"{name}: {channel}: {times[0]:.0f} s"
            for name, channels in self.told.items()
            for channel, times in channels.items()
            if channel != AWAY and times and times[0] > TOLD_SECONDS
        ]

    def text(self) -> str:
        """As Markdown."""
        ways = ", ".join(way.partition(":")[0] for way in WAYS)
        lines = [
            f"{AWAY} away for {self.seconds / 60:g} minutes, in turn: {ways}.",
            "",
            f"| alert | {' | '.join(CHANNELS)} | after the return |",
            f"|---|{'---:|' * (len(CHANNELS) + 1)}",
        ]
        for name, channels in self.told.items():
            cells = [" and ".join(f"{took:.0f} s" for took in channels[channel]) or "never" for channel in CHANNELS]
            after = f"{self.after[name]:.0f} s" if name in self.after else ""
            lines.append(f"| `{name}` | {' | '.join(cells)} | {after} |")
        return "\n".join((*lines, *(f"\n{fault}" for fault in self.faults)))


def outage(at: Platform, seconds: float, say: Callable[[str], None]) -> Outage:
    """Have a channel go away, faults that last and that pass, and the channel come back."""
    found = Outage(seconds)
    robots = at.sinks.robots
    began = time.monotonic()
    robots.forever[AWAY] = WAYS[0]
    say(f"{AWAY} is away; every 10th request fails, and a client abuses the platform")
    # Before requests fail: its own are to be answered.
    first = {PASSING: traffic.abuse(at.url)}
    at.switches.on(ERRORS)
    while (passed := time.monotonic() - began) < seconds:
        robots.forever[AWAY] = WAYS[int(passed // 60) % len(WAYS)]
        time.sleep(0.5)
    first[LASTING] = at.switches.first_failure(ERRORS) or 0.0
    back = time.time()
    del robots.forever[AWAY]
    say(f"{AWAY} is back")
    deadline = time.monotonic() + LATE_SECONDS
    while time.monotonic() < deadline and any(not _told(at, name, first[name])[AWAY] for name in first):
        time.sleep(0.5)
    # As long as it would take to tell it twice.
    time.sleep(TOLD_SECONDS)
    at.switches.off(ERRORS)
    for name, since in first.items():
        found.told[name] = _told(at, name, since)
        if late := found.told[name][AWAY]:
            found.after[name] = since + late[0] - back
    return found


def _told(at: Platform, name: str, since: float) -> dict[str, list[float]]:
    told: dict[str, list[float]] = {channel: [] for channel in CHANNELS}
    for one in at.sinks.all():
        if name in one.names and not one.resolved:
            told[one.channel].append(one.at - since)
    return told
