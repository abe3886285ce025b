"""The command ``wxiai-otel init``: the pipeline beside an application that has only installed this package."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ._data import data_files

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
    "collector/victoriametrics.yaml",
    "collector/secure.yaml",
    "compose/*.py",
    "compose/secure.yml",
    "dashboards/json/*.json",
    "dashboards/provisioning/*/*.yaml",
    "secrets/README.md",
)
_DOCKERFILE = "compose/init.Dockerfile"
_BRIDGE = "alerts/bridge.toml"
_COMPOSE = "docker-compose.yml"
# Of the example, which is in the repository only: the services below this heading, and what stands above the name.
_EXAMPLE = re.compile(r"  # ---- the example.*?(?=^networks:)", re.DOTALL | re.MULTILINE)
_HEADING = """\
# The pipeline: docker compose up --build --wait, then http://localhost:3000
#
# What may be changed is in .env (each ${NAME:-default} below), in the files of alerts/, and in secrets/. Applications
# send to http://collector:4318 within the network; from the machine itself once the port is published, see the end.
"""
_OWN_APPLICATION = """
# An application on the machine itself: publish the port in docker-compose.override.yml
#
#   services:
#     collector: {ports: ["127.0.0.1:4318:4318"]}
"""


class LayOutError(Exception):
    """Nothing was written; the text says why."""


def lay_out(folder: Path, channels: Sequence[str], *, force: bool) -> list[str]:
    """Write the pipeline's files.

    Parameters:
        folder: Where to; made where it is not there.
        channels: Of the bridge, to be on.
        force: Whether files that are there and are others may be overwritten.

    Returns:
        The files written; those that were there as they would be are not.

    Raises:
        LayOutError: A channel is unknown, or files are there.
    """
    wanted = contents(channels)
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


def contents(channels: Iterable[str]) -> dict[str, str]:
    """What each file says, by its name."""
    found = {name: file for pattern in _FILES for name, file in data_files(pattern).items()}
    texts = {name: file.read_text(encoding="utf-8") for name, file in found.items()}
    texts[_COMPOSE] = _without_example(texts[_COMPOSE])
    texts[_BRIDGE] = _with_channels(texts[_BRIDGE], channels)
    (dockerfile,) = data_files(_DOCKERFILE).values()
    texts["Dockerfile"] = dockerfile.read_text(encoding="utf-8")
    # Neither images nor commits are to have the secrets.
    texts[".dockerignore"] = "*\n!compose\n"
    texts[".gitignore"] = "/secrets/*\n!/secrets/README.md\n/.env\n"
    return texts


def secrets_of(channels: Sequence[str]) -> list[str]:
    """The files in ``secrets/`` that these channels need."""
    text = "".join(_section(contents([])[_BRIDGE], channel) for channel in channels)
    return re.findall(r'"/run/secrets/(\w+)"', text)


def _without_example(compose: str) -> str:
    _, _, services = compose.partition("\nname:")
    return f"{_HEADING}\nname:{_EXAMPLE.sub('', services)}{_OWN_APPLICATION}"


def _with_channels(bridge: str, channels: Iterable[str]) -> str:
    for channel in channels:
        section = _section(bridge, channel)
        bridge = bridge.replace(section, re.sub(r"(?m)^# ", "", section))
    return bridge


def _section(bridge: str, channel: str) -> str:
    known = re.findall(r"(?m)^# \[(\w+)\]", bridge)
    found = re.search(rf"(?m)^# \[{re.escape(channel)}\](?:.*\n)(?:# .*\n?)*", bridge)
    if found is None:
        raise LayOutError(f"there is no channel {channel!r}; allowed are {', '.join(known)}")
    return found[0]


def _is_there(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8", errors="replace") == text


def _is_another(file: Path, text: str) -> bool:
    return file.exists() and not _is_there(file, text)
