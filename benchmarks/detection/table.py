"""The table of results."""

from collections.abc import Sequence

from .run import Result
from .sinks import CHANNELS

_COLUMNS = ("fault", "page", "within", *CHANNELS, "pages each")


def header() -> str:
    """The two lines above the rows, in Markdown."""
    return f"| {' | '.join(_COLUMNS)} |\n|{'---|' * 3}{'---:|' * (len(_COLUMNS) - 3)}"


def row(result: Result) -> str:
    """A fault's row: the seconds from its first failed outcome to the arrival, by channel."""
    told = sorted({name for names in result.pages.values() for name in names})
    times = [f"{result.seconds[channel]:.1f} s" if channel in result.seconds else "never" for channel in CHANNELS]
    counts = sorted({len(result.pages.get(channel, ())) for channel in CHANNELS})
    pages = "-".join(map(str, {counts[0]: None, counts[-1]: None}))
    cells = (result.case.title, ", ".join(f"`{name}`" for name in told), f"{result.case.within:.0f} s", *times, pages)
    return f"| {' | '.join(cells)} |"


def footer(results: Sequence[Result], left: Sequence[str], pages: int) -> list[str]:
    """What is to be said below it."""
    lines = [f"{len(results)} faults, {pages} pages in {len(CHANNELS)} channels."]
    lines += [f"{result.case.title}: {fault}" for result in results for fault in result.faults]
    lines += [f"the end was not told: {one}" for one in left]
    return lines
