"""Reading the settings, from arguments and the environment."""

import os
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from .._parsers import NotAllowed, Parser, milliseconds
from .._redaction import without_users
from ._business import Settings
from ._standard import STANDARD, headers

_MAX_SHOWN = 200


class SettingError(ValueError):
    """A setting has a value that is not allowed, or there is no such setting."""


# Standard variables that give a setting in another form than the setting's own.
_ENV_PARSERS: dict[str, Parser] = {"OTEL_METRIC_EXPORT_INTERVAL": milliseconds}


def load_settings(arguments: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from arguments and the environment.

    Parameters:
        arguments: Settings by name. ``None`` leaves a setting to the environment.
        environ: The environment; by default the process'.

    Raises:
        SettingError: A setting is unknown, or its value is not allowed.
    """
    environ = os.environ if environ is None else environ
    known = {item.name for item in fields(Settings)}
    for name in arguments:
        if name not in known:
            raise SettingError(f"there is no setting {name!r}; allowed are {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for item in fields(Settings):
        parse: Parser = item.metadata["parse"]
        if arguments.get(item.name) is not None:
            values[item.name] = _parse(item, f"argument {item.name}", parse, arguments[item.name])
            continue
        if variable := variable_of(item, environ):
            raw = environ[variable].strip()
            values[item.name] = _parse(item, variable, _ENV_PARSERS.get(variable, parse), raw)
    for variable, parse in STANDARD.items():
        if raw := environ.get(variable, "").strip():
            _read(variable, parse, raw, secret=parse is headers)
    return Settings(**values)


def variable_of(item: "Field[Any]", environ: Mapping[str, str]) -> str | None:
    """The variable that gives a setting; ``None``: no one does.

    Parameters:
        item: The setting's field.
        environ: The environment.
    """
    # An empty variable is an unset one: OpenTelemetry's rule for every environment variable.
    return next((name for name in item.metadata["env"] if environ.get(name, "").strip()), None)


def _parse(item: "Field[Any]", source: str, parse: Parser, value: object) -> object:
    return _read(f"setting {item.name}: {source}", parse, value, secret=item.metadata["secret"])


def _read(what: str, parse: Parser, value: object, *, secret: bool) -> object:
    try:
        return parse(value)
    except NotAllowed as allowed:
        shown = "a secret" if secret else _shown(value)
        raise SettingError(f"{what} is {shown}; allowed is {allowed}") from None


def _shown(value: object) -> str:
    """A value as an error can have it."""
    try:
        text = without_users(repr(value))
    except Exception:  # noqa: BLE001 - Python writes no whole number of thousands of digits; others' repr may do anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
