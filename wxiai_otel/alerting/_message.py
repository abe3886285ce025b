"""What is told: alerts, and the message that carries those of one group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SOURCE = "wxiai-platform"

_EMOJI = {"critical": "🚨", "warning": "⚠️", "info": "ℹ️"}
_RANK = {"critical": 0, "warning": 1, "info": 2}


def now() -> datetime:
    """This moment, in this machine's time zone."""
    return datetime.now(UTC).astimezone()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters:
        name: Of the rule, or of the business's own alert.
        severity: critical, warning, info or another word.
        summary: What is wrong, in Chinese where it comes from a rule.
        summary_en: The same in English.
        description: More of it.
        description_en: The same in English.
        resolved: Whether it is over.
        at: When it began or, where it is resolved, ended.
        labels: Of the rule.
        details: What else is known.
        links: Titles and addresses.
    """

    name: str
    severity: str
    summary: str
    summary_en: str = ""
    description: str = ""
    description_en: str = ""
    resolved: bool = False
    at: datetime = field(default_factory=now)
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()

    @property
    def rank(self) -> int:
        """0 for the most severe."""
        return _RANK.get(self.severity.lower(), len(_RANK))

    @property
    def emoji(self) -> str:
        """Says the severity at a glance."""
        return "✅" if self.resolved else _EMOJI.get(self.severity.lower(), "📢")


@dataclass(frozen=True, slots=True)
class Message:
    """The alerts that are told together, never none.

    Parameters:
        alerts: Firing ones and resolved ones.
        omitted: How many more there are of which nothing is known.
        links: Titles and addresses for all of them.
        group: What Alertmanager calls the group; empty where there is none.
    """

    alerts: tuple[Alert, ...]
    omitted: int = 0
    links: tuple[tuple[str, str], ...] = ()
    group: str = ""

    @property
    def first(self) -> Alert:
        """The alert that names the message: firing before resolved, then the most severe."""
        return min(self.alerts, key=lambda alert: (alert.resolved, alert.rank))

    @property
    def resolved(self) -> bool:
        """Whether all of it is over."""
        return all(alert.resolved for alert in self.alerts)
