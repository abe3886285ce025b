"""What an audit has found, and which of it is known."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ACCEPTED = Path(__file__).with_name("accepted.toml")


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory that is about something that is shipped.

    Parameters:
        of: What has it, with its version.
        id: The advisory's.
        said: What it is about, and where it is fixed.
    """

    of: str
    id: str
    said: str


@dataclass(slots=True)
class Report:
    """What came of it.

    Parameters:
        findings: Of all that could be asked about.
        unreached: What could not be asked about, and why.
        clean: What has no finding at all.
    """

    findings: list[Finding] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)


def accepted(path: Path = ACCEPTED) -> dict[tuple[str, str], str]:
    """Why a finding is none to act on, by what has it and the advisory."""
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    return {(entry["of"], id_): entry["why"] for entry in entries for id_ in entry["ids"]}
