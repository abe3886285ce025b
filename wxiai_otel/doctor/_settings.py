"""The settings in force, each with where it comes from, and what in the environment is none."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .._redaction import without_users
from ..settings import STANDARD, SettingError, Settings, load_settings, variable_of
from ..settings._unknown import unknown_variables
from ._report import Effective, Report, State

SECTION = "settings"


def allowed(report: Report, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables whose values are not allowed; each is a failure."""
    left = dict(environ)
    for item in fields(Settings):
        while (variable := variable_of(item, left)) and not _is_allowed(report, variable, left):
            del left[variable]
    for variable in STANDARD:
        if variable in left and not _is_allowed(report, variable, left):
            del left[variable]
    return left


def _is_allowed(report: Report, variable: str, environ: Mapping[str, str]) -> bool:
    try:
        load_settings({}, {variable: environ[variable]})
    except SettingError as error:
        report.add(SECTION, variable, State.FAILED, str(error))
        return False
    return True


def look_for_unknown(report: Report, environ: Mapping[str, str]) -> None:
    """Report variables that look like settings and are none."""
    for name, why in unknown_variables(environ):
        report.add(SECTION, name, State.WARNING, why)


def effective(settings: Settings, environ: Mapping[str, str]) -> list[Effective]:
    """Each setting, its value and its source.

    Parameters:
        settings: In force.
        environ: Where they may come from.
    """
    of_environment = load_settings({}, environ)
    found = []
    for item in fields(Settings):
        value = getattr(settings, item.name)
        source = variable_of(item, environ) or "default"
        if value != getattr(of_environment, item.name):
            source = "argument"
        found.append(Effective(item.name, _shown(value, secret=item.metadata["secret"]), source))
    return found


def _shown(value: Any, *, secret: bool) -> Any:
    if secret:
        return "set" if value else "not set"
    if isinstance(value, str):
        return without_users(value)
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if isinstance(value, int | float | None) else repr(value)
