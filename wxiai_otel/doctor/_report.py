"""What was found, and what it comes to."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .._redaction import without_users


class State(StrEnum):
    """How something is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters:
        section: What it belongs to.
        name: What was looked at.
        state: How it is.
        message: What was seen; where something is wrong also what to do.
    """

    section: str
    name: str
    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting in force.

    Parameters:
        name: The setting.
        value: Its value; of a secret only whether there is one.
        source: ``default``, ``argument`` or the environment variable.
    """

    name: str
    value: Any
    source: str


@dataclass(slots=True)
class Report:
    """All that was found."""

    findings: list[Finding] = field(default_factory=list)
    settings: list[Effective] = field(default_factory=list)

    def add(self, section: str, name: str, state: State, message: str) -> None:
        """Add a finding; a report is shown to others."""
        self.findings.append(Finding(section, without_users(name), state, without_users(message)))

    @property
    def healthy(self) -> bool:
        """Whether nothing has failed."""
        return all(finding.state is not State.FAILED for finding in self.findings)

    def as_data(self) -> dict[str, Any]:
        """In a form that JSON can hold."""
        return {
            "healthy": self.healthy,
            "findings": [asdict(finding) for finding in self.findings],
            "settings": [asdict(setting) for setting in self.settings],
        }
