"""What is told: alerts, and the message that carries those of one group."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from sys import getsizeof
from typing import Any

SOURCE = "wxiai-platform"

_EMOJI = {"critical": "🚨", "warning": "⚠️", "info": "ℹ️"}
_RANK = {"critical": 0, "warning": 1, "info": 2}


def rank(severity: str) -> int:
    """Return 0 for the most severe word, and the largest rank for an unknown one."""
    return _RANK.get(severity.lower(), len(_RANK))


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
        return rank(self.severity)

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

    @property
    def urgency(self) -> tuple[bool, int]:
        """The smaller, the more urgent: firing before resolved, then by severity."""
        return self.first.resolved, self.first.rank


def weight(value: object) -> int:
    """Return the bytes of memory that a message, an alert or a value of one takes, at most.

    What two messages share counts for each.
    """
    size = getsizeof(value)
    if isinstance(value, Message | Alert):
        return size + sum(weight(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return size + sum(weight(key) + weight(item) for key, item in value.items())
    if isinstance(value, tuple | list):
        return size + sum(map(weight, value))
    return size
