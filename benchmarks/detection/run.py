"""One fault after the other, and what arrived of each."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .faults import Case
from .platform import Platform, wait
from .sinks import CHANNELS, Notification

# A companion that is not silenced would be told within its group_wait; a warning's is 10 s.
SETTLED_SECONDS = 25.0
RECOVERED_SECONDS = 35.0
# The longest keep_firing_for and window of the alerts here, and the way.
OVER_SECONDS = 16 * 60.0


@dataclass(slots=True)
class Result:
    """What a fault has led to."""

    case: Case
    seconds: dict[str, float] = field(default_factory=dict)
    pages: dict[str, list[str]] = field(default_factory=dict)
    companion_fired: bool = False

    @property
    def faults(self) -> list[str]:
        """What is wrong with it; empty where nothing is."""
        wrong = []
        for channel in CHANNELS:
            took = self.seconds.get(channel)
            if took is None:
                wrong.append(f"{channel}: no page")
            elif took > self.case.within:
                wrong.append(f"{channel}: {took:.0f} s")
            if len(self.pages.get(channel, ())) > 1:
                wrong.append(f"{channel}: {len(self.pages[channel])} pages ({', '.join(self.pages[channel])})")
        if self.case.companion and not self.companion_fired:
            wrong.append(f"{self.case.companion} did not fire, so nothing had to be silenced")
        return wrong


def run(at: Platform, cases: Sequence[Case], say: Callable[[str], None], *, companions: bool) -> Iterator[Result]:
    """Make them happen.

    Parameters:
        at: The platform.
        cases: The faults.
        say: Is told what goes on.
        companions: Whether a fault lasts until its companion fires.
    """
    seen = 0
    for case in cases:
        result = Result(case)
        say(f"{case.title} …")
        seen = len(at.sinks.all())
        try:
            first = case.fault.begin(at)
            _until_told(at, result, seen, first)
            if case.companion and companions:
                _until_companion(at, result)
            else:
                result.companion_fired = True
            time.sleep(SETTLED_SECONDS)
        finally:
            case.fault.end(at)
        time.sleep(RECOVERED_SECONDS)
        for one in at.sinks.all()[seen:]:
            if not one.resolved:
                result.pages.setdefault(one.channel, []).append("+".join(one.names))
        yield result


def _until_told(at: Platform, result: Result, seen: int, first: float) -> None:
    deadline = first + result.case.within + 90
    while len(result.seconds) < len(CHANNELS) and time.time() < deadline:
        for one in at.sinks.all()[seen:]:
            if not one.resolved and set(one.names) & set(result.case.alerts):
                result.seconds.setdefault(one.channel, one.at - first)
        time.sleep(0.25)


def _until_companion(at: Platform, result: Result) -> None:
    companion = result.case.companion or ""
    try:
        wait(companion, lambda: at.is_firing(companion), 12 * 60)
    except TimeoutError:
        return
    result.companion_fired = True


def unresolved(at: Platform) -> list[str]:
    """Wait until the end of everything has been told; what has been told without its end, or more than once."""

    def open_ends() -> list[str]:
        return sorted(f"{channel}: {name}" for channel, name in _open(at.sinks.all()))

    deadline = time.monotonic() + OVER_SECONDS
    while (left := open_ends()) and time.monotonic() < deadline:
        time.sleep(2)
    return left


def _open(notifications: Sequence[Notification]) -> set[tuple[str, str]]:
    state: dict[tuple[str, str], bool] = {}
    for one in notifications:
        for name in one.names:
            state[one.channel, name] = one.resolved
    return {key for key, resolved in state.items() if not resolved}
