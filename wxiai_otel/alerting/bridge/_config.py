"""The bridge's configuration: a file, and environment variables over it."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._parsers import positive_float, positive_int, text
from .._config import ALIASES, CHANNELS, Section, enabled, webhook
from .._errors import AlertConfigError
from .._secret import Secret
from ..channels import Channel

# Alertmanager gives a notification up after its group_interval, which is 30 s at the least in alerts/alertmanager.yml.
# Later the answer would go nowhere, and what was delivered would be delivered again.
TIMEOUT_SECONDS = 25.0
MAX_BODY = 2**20
PREFIX = "WXIAI_BRIDGE_"
# Whoever misses the Watchdog: a dead man's switch outside.
HEARTBEAT = "heartbeat"
ALL_CHANNELS = (*CHANNELS, HEARTBEAT)


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """What the bridge is told.

    Parameters:
        channels: Those that are switched on, by name.
        token: What Alertmanager shows; empty: nothing is asked for.
        timeout: Seconds from a notification to its answer.
        max_body: Bytes of a notification.
    """

    channels: Mapping[str, Channel]
    token: Secret
    timeout: float
    max_body: int


def load(file: Path | None, environ: Mapping[str, str]) -> BridgeConfig:
    """Read it.

    Parameters:
        file: TOML or JSON; None: only the environment.
        environ: ``WXIAI_BRIDGE_<CHANNEL>_<KEY>``, ``WXIAI_BRIDGE_<KEY>``.

    Raises:
        AlertConfigError: It is not allowed.
    """
    config = _read(file) if file is not None else {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and value.strip():
            _put(config, name, value.strip())
    bridge = Section("bridge", config.get("bridge", {}))
    channels = enabled(config, ("bridge", HEARTBEAT))
    if config.get(HEARTBEAT) is not None:
        heartbeat = Section(HEARTBEAT, config[HEARTBEAT])
        channels[HEARTBEAT] = webhook(heartbeat, HEARTBEAT)
        heartbeat.finish()
    made = BridgeConfig(
        channels,
        bridge.secret("token", text, ""),
        bridge.get("timeout", positive_float, TIMEOUT_SECONDS),
        bridge.get("max_body", positive_int, MAX_BODY),
    )
    bridge.finish()
    return made


def _put(config: dict[str, Any], variable: str, value: str) -> None:
    name = variable.removeprefix(PREFIX).lower()
    first, _, rest = name.partition("_")
    section, key = (first, rest) if rest and first in {*ALL_CHANNELS, *ALIASES} else ("bridge", name)
    found = config.setdefault(section, {})
    if isinstance(found, dict):
        # What the file says of the same secret is not meant any more.
        found.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
        found[key] = value


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise AlertConfigError(f"{file}: allowed is a file that can be read, in UTF-8") from None
    try:
        read = json.loads(raw) if file.suffix == ".json" else tomllib.loads(raw)
    except (ValueError, RecursionError) as error:
        # Of the error only the place: its line may hold a secret.
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise AlertConfigError(f"{file}: allowed is {kind}{place}") from None
    if not isinstance(read, dict):
        raise AlertConfigError(f"{file}: allowed is an object")
    return read
