"""Writing the files, and nothing over those of the user."""

import re
from pathlib import Path

from .._data import data_files
from ._choices import Choices, LayOutError, bridge_text
from ._edits import edited, section

_FILES = (
    "docker-compose.yml",
    "prometheus.yml",
    "jaeger.yaml",
    "alerts/*.yml",
    "alerts/bridge.toml",
    "collector/base.yaml",
    "collector/contract.yaml",
    "collector/traces.yaml",
    "collector/self.yaml",
    "collector/logs.yaml",
    "collector/sampling.yaml",
    "collector/agent.yaml",
    "collector/gateway.yaml",
    "collector/secure.yaml",
    "collector/victoriametrics.yaml",
    "compose/*.py",
    "compose/secure.yml",
    "dashboards/json/*.json",
    "dashboards/provisioning/*/*.yaml",
    "secrets/README.md",
)
_DOCKERFILE = "compose/init.Dockerfile"


def lay_out(folder: Path, choices: Choices, *, force: bool) -> list[str]:
    """Write the pipeline's files.

    Parameters:
        folder: Where to; made where it is not there.
        choices: What is chosen.
        force: Whether files that are there and are others may be overwritten.

    Returns:
        The files written; those that were there as they would be are not.

    Raises:
        LayOutError: Files are there, or cannot be written.
    """
    wanted = contents(choices)
    different = [name for name, text in wanted.items() if _is_another(folder / name, text)]
    if different and not force:
        raise LayOutError(f"{folder} has others of {', '.join(different)}: nothing is written; --force overwrites them")
    written = [name for name, text in wanted.items() if not _is_there(folder / name, text)]
    try:
        for name in written:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[name], encoding="utf-8")
    except OSError as error:
        raise LayOutError(f"{folder} cannot be written: {error.strerror}") from None
    return written


def contents(choices: Choices) -> dict[str, str]:
    """What each file says, by its name."""
    found = {name: file for pattern in _FILES for name, file in data_files(pattern).items()}
    texts = edited({name: file.read_text(encoding="utf-8") for name, file in found.items()}, choices)
    (dockerfile,) = data_files(_DOCKERFILE).values()
    texts["Dockerfile"] = dockerfile.read_text(encoding="utf-8")
    # Neither images nor commits are to have the secrets.
    texts[".dockerignore"] = "*\n!compose\n"
    texts[".gitignore"] = "/secrets/*\n!/secrets/README.md\n/.env\n"
    return texts


def to_be_edited(choices: Choices) -> list[str]:
    """The channels whose addresses are examples."""
    return [channel for channel in choices.channels if "example.com" in section(bridge_text(), channel)]


def secrets_of(choices: Choices) -> list[str]:
    """The files in ``secrets/`` that are needed."""
    text = "".join(section(bridge_text(), channel) for channel in choices.channels)
    mail = ["smtp_password"] if choices.mail_user is not None else []
    return list(dict.fromkeys([*re.findall(r'"/run/secrets/(\w+)"', text), *mail]))


def _is_there(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8", errors="replace") == text


def _is_another(file: Path, text: str) -> bool:
    return file.exists() and not _is_there(file, text)
