"""Reading the settings, from arguments and the environment."""

import os
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from .._parsers import NotAllowed, Parser, milliseconds, shown
from ._business import Settings
from ._standard import STANDARD, headers


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
            from ._unknown import meant_argument

            raise SettingError(
                f"there is no setting {shown(name)}; allowed are {', '.join(sorted(known))}{meant_argument(name)}"
            )
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
        raise SettingError(f"{what} is {'a secret' if secret else shown(value)}; allowed is {allowed}") from None
