"""The bridge's configuration: a file, and environment variables over it."""

import json
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._misspelled import nearest, printable, suggested, unknown
from ..._parsers import positive_float, positive_int, text
from ..._service_links import is_service_link
from .._config import ALIASES, CHANNELS, Section, channel_keys, enabled, unknown_key, webhook
from .._errors import AlertConfigError
from .._secret import Secret
from ..channels import Channel

logger = logging.getLogger("wxiai_otel.bridge")

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
    sources: dict[str, dict[str, str]] = {}
    _refuse_unknown(environ)
    for name, value in environ.items():
        if name.startswith(PREFIX) and value.strip() and not is_service_link(name, environ):
            section, key = _key_of(name)
            _put(config, section, key, value.strip())
            sources.setdefault(section, {})[key] = name
    bridge = Section("bridge", config.get("bridge", {}), sources.get("bridge"))
    channels = enabled(config, ("bridge", HEARTBEAT), sources)
    if config.get(HEARTBEAT) is not None:
        heartbeat = Section(HEARTBEAT, config[HEARTBEAT], sources.get(HEARTBEAT))
        channels[HEARTBEAT] = webhook(heartbeat, HEARTBEAT)
        heartbeat.finish()
    made = _of_bridge(bridge, channels)
    bridge.finish()
    return made


def _of_bridge(section: Section, channels: Mapping[str, Channel]) -> BridgeConfig:
    return BridgeConfig(
        channels,
        section.secret("token", text, ""),
        section.get("timeout", positive_float, TIMEOUT_SECONDS),
        section.get("max_body", positive_int, MAX_BODY),
    )


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """Refuse variables with our prefix that are no key. Others may be somebody else's: they are logged.

    Raises:
        AlertConfigError: There is one.
    """
    bridge = Section("bridge", {})
    _of_bridge(bridge, {})
    keys = channel_keys()
    keys |= {HEARTBEAT: keys["webhook"] - {"enabled"}, "bridge": bridge.asked}
    known = {
        (key if section == "bridge" else f"{section}_{key}").upper(): section
        for section, allowed in keys.items()
        for key in allowed
    }
    suggestions = {name: f"{PREFIX}{name}" for name in known}
    variables = set(suggestions.values())
    suggestions |= {option.upper(): f"wxiai-otel bridge --{option}" for option in ("config", "host", "port")}
    for name, meant in unknown(environ, PREFIX, variables, suggestions):
        if not name.startswith(PREFIX):
            logger.warning(
                "environment variable %s is ignored: there is no such setting%s", printable(name), suggested(meant)
            )
        elif name.upper().removeprefix(PREFIX) not in known:
            section, key = _key_of(name)
            of_channel = {each: f"{PREFIX}{section}_{each}".upper() for each in keys[section]}
            like = meant if section == "bridge" else nearest(key, of_channel)
            raise unknown_key(f"{section}.{key} (from {printable(name)})", sorted(keys[section]), suggested(like))


def _key_of(variable: str) -> tuple[str, str]:
    """Return the section and the key that a variable gives."""
    name = variable.removeprefix(PREFIX).lower()
    first, _, rest = name.partition("_")
    return (first, rest) if rest and first in {*ALL_CHANNELS, *ALIASES} else ("bridge", name)


def _put(config: dict[str, Any], section: str, key: str, value: str) -> None:
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
