"""The bars: ratios between overheads of one run, each with what it may be at most."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

# CPU time a request by application, competitor and round, in microseconds.
Rounds = Mapping[str, Mapping[str, list[float]]]


class Bar(NamedTuple):
    """The overhead of one competitor, of at most so many times another's, over bare."""

    application: str
    competitor: str
    other: str
    at_most: float


BARS = (
    Bar("routes-1", "ours-full", "upstream", 0.25),
    Bar("routes-200", "ours-full", "upstream", 0.08),
    Bar("routes-600", "ours-full", "upstream", 0.05),
    Bar("routes-1", "ours-full", "specification", 0.6),
    Bar("routes-200", "ours-full", "specification", 0.6),
    Bar("routes-1", "ours-metrics", "instrumentator", 0.8),
    Bar("routes-200", "ours-metrics", "instrumentator", 0.12),
    Bar("routes-1", "ours-full", "native", 0.5),
    Bar("routes-200", "ours-full", "native", 0.5),
    Bar("routes-200", "ours-full", "instrumentator", 0.35),
    Bar("data", "ours-full", "upstream-traces", 0.7),
)
SSE_EVENT_US = 1.0
IMPORT_RATIO = 1.3
SCRAPE_RATIO = 1.2
WORKERS_RATIO = 1.0


class Verdict(NamedTuple):
    """What a bar says, what was measured, and the lowest and highest of the rounds."""

    bar: str
    measured: float
    low: float
    high: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether it is within the bar."""
        return self.measured <= self.at_most


def undisturbed(values: Sequence[float]) -> float:
    """The lower quartile: other work on the machine makes a round dearer, and never cheaper."""
    return sorted(values)[len(values) // 4]


def overheads(rounds: Rounds, application: str, competitor: str) -> list[float]:
    """What a competitor adds to the bare application, round by round."""
    found = rounds[application]
    return [cpu - bare for cpu, bare in zip(found[competitor], found["bare"], strict=True)]


def overhead(rounds: Rounds, application: str, competitor: str) -> float:
    """What a competitor adds to the bare application, both undisturbed."""
    found = rounds[application]
    return undisturbed(found[competitor]) - undisturbed(found["bare"])


def verdicts(rounds: Rounds, further: Mapping[str, list[float]]) -> list[Verdict]:
    """Each bar whose applications and competitors were measured.

    Parameters:
        rounds: What was measured.
        further: The ratios ``import``, ``scrape`` and ``scrape of 8 workers``, round by round, if they were measured.
    """
    found = []
    for bar in BARS:
        if {bar.competitor, bar.other, "bare"} <= set(rounds.get(bar.application, ())):
            one = overheads(rounds, bar.application, bar.competitor)
            other = overheads(rounds, bar.application, bar.other)
            ratios = [mine / theirs for mine, theirs in zip(one, other, strict=True)]
            name = f"{bar.application}: {bar.competitor} / {bar.other}"
            measured, others = (overhead(rounds, bar.application, who) for who in (bar.competitor, bar.other))
            found.append(Verdict(name, measured / others, min(ratios), max(ratios), bar.at_most))
    if {"bare", "ours-full"} <= set(rounds.get("sse", ())):
        each = overheads(rounds, "sse", "ours-full")
        measured = overhead(rounds, "sse", "ours-full")
        found.append(Verdict("sse: us an event", measured, min(each), max(each), SSE_EVENT_US))
    if all({"bare", "ours-full"} <= set(rounds.get(name, ())) for name in ("routes-1", "routes-600")):
        few, many = (overhead(rounds, name, "ours-full") for name in ("routes-1", "routes-600"))
        bare = rounds["routes-600"]["bare"]
        allowed = (max(bare) - min(bare)) + few
        ratios = [cost / allowed for cost in overheads(rounds, "routes-600", "ours-full")]
        found.append(Verdict("ours-full at 600 routes / at 1 + spread", many / allowed, min(ratios), max(ratios), 1.0))
    most_of = {"import": IMPORT_RATIO, "scrape": SCRAPE_RATIO, "scrape of 8 workers": WORKERS_RATIO}
    for name, most in most_of.items():
        if name in further:
            each = further[name]
            found.append(Verdict(name, median(each), min(each), max(each), most))
    return found
