"""Names that are no settings: misspelled arguments and environment variables."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import islice

from .._misspelled import did_you_mean, printable, suggested, unknown
from ._business import Settings
from ._standard import STANDARD

logger = logging.getLogger("wxiai_otel")

PREFIX = "WXIAI_OTEL_"
_STANDARD_PREFIX = "OTEL_"
_MAX_WARNINGS = 20


def meant_argument(name: str) -> str:
    """Return ``; did you mean …?`` for an argument that is no setting, or nothing.

    Parameters:
        name: The argument: perhaps a misspelled setting, or the environment variable of one.
    """
    known = {item.name: item.name for item in fields(Settings)}
    for item in fields(Settings):
        for variable in item.metadata["env"]:
            known.setdefault(variable, item.name)
            known.setdefault(_rest(variable).lower(), item.name)
    return did_you_mean(name, known)


def unknown_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that looks like a setting and is none, and an explanation that does not show its value.

    Parameters:
        environ: The environment.
    """
    suggestions: dict[str, str] = {}
    variables = {*STANDARD, *_of_opentelemetry()}
    for item in fields(Settings):
        names = item.metadata["env"]
        variables.update(names)
        # Setting and variable may have different names, and some settings have no variable.
        suggestions[item.name.upper()] = names[0] if names else f"setup_telemetry({item.name}=…)"
        for name in reversed(names):
            suggestions[_rest(name)] = name
    for name, meant in unknown(environ, PREFIX, variables, suggestions):
        yield name, f"there is no such setting{suggested(meant)}"


def warn_of_unknown_variables() -> None:
    """Log the variables of this process that look like settings and are none."""
    for name, why in islice(unknown_variables(os.environ.copy()), _MAX_WARNINGS):
        logger.warning("environment variable %s is ignored: %s", printable(name), why)


def _of_opentelemetry() -> Iterator[str]:
    """Yield the variables that OpenTelemetry's API and SDK read."""
    from opentelemetry import environment_variables as of_api
    from opentelemetry.sdk import environment_variables as of_sdk

    for module in (of_api, of_sdk):
        yield from (
            each for each in vars(module).values() if isinstance(each, str) and each.startswith(_STANDARD_PREFIX)
        )


def _rest(variable: str) -> str:
    return variable.removeprefix(PREFIX).removeprefix(_STANDARD_PREFIX)
