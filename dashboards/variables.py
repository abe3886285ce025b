"""Variables in queries, replaced as Grafana does it for Prometheus."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The data source's "timeInterval": how often Prometheus scrapes.
SCRAPE_SECONDS = 5

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::[^}]*)?\}")
_SPECIAL = re.compile(r"[\\^$*+?.()|{}\[\]]")


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at.

    Parameters:
        start: In seconds since the epoch.
        end: Likewise.
        points: How many of them a panel has room for.
    """

    start: float
    end: float
    points: int = 300

    @property
    def step(self) -> int:
        """Seconds between two points: never fewer than between two scrapes."""
        return max(SCRAPE_SECONDS, math.ceil((self.end - self.start) / max(1, self.points)))

    def values(self) -> dict[str, str]:
        """The variables that Grafana has by itself."""
        return {
            "__interval": f"{self.step}s",
            "__rate_interval": f"{max(self.step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
            "__range": f"{max(1, round(self.end - self.start))}s",
        }


def pattern(chosen: Sequence[str], everything: str = ".+") -> str:
    """A variable of several values as a pattern; everything where none is chosen."""
    if not chosen:
        return everything
    # In a string of PromQL a backslash is written twice.
    escaped = [_SPECIAL.sub(lambda found: "\\\\" + found.group(), value) for value in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def replaced(query: str, chosen: Mapping[str, Sequence[str]], window: Window) -> str:
    """A query with its variables replaced; what is no variable stays.

    Parameters:
        query: As it stands in the dashboard.
        chosen: The values chosen of each variable; none for all of them.
        window: The time that is looked at.
    """
    values = window.values() | {name: pattern(some) for name, some in chosen.items()}
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), query)
