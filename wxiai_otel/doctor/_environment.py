"""Versions, and what else in this environment makes telemetry."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from ._report import Report, State

SECTION = "environment"
_NAME = "wxiai-otel"
_SHOWN = (
    "fastapi",
    "starlette",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp",
    "prometheus-client",
    "sqlalchemy",
    "redis",
    "uvicorn",
    "gunicorn",
)
# Extras that commands use: what an application has does not fail for them.
_OF_COMMANDS = ("bridge", "cli")
# What others do beside this package.
_NOT_SEEN = "does not send its statements through SQLAlchemy: they are not seen"
_OWN_SPANS = "makes the spans where the application has switched it on: ours are left out then"
_OWN_TRACES = "makes traces of its own; --app shows whether its provider comes before ours"
_OWN_COUNTS = "counts requests too, in prometheus_client: --app shows whether its names are ours"
_OTHERS = {
    "databases": _NOT_SEEN,
    "tortoise-orm": _NOT_SEEN,
    "peewee": _NOT_SEEN,
    "aiosql": _NOT_SEEN,
    "opentelemetry-distro": _OWN_TRACES,
    "opentelemetry-instrumentation-sqlalchemy": _OWN_SPANS,
    "opentelemetry-instrumentation-redis": _OWN_SPANS,
    "logfire": _OWN_TRACES,
    "sentry-sdk": _OWN_TRACES,
    "ddtrace": _OWN_TRACES,
    "newrelic": _OWN_TRACES,
    "prometheus-fastapi-instrumentator": _OWN_COUNTS,
    "starlette-exporter": _OWN_COUNTS,
}

# SQLAlchemy's, where that is installed.
_DRIVERS = ("asyncpg", "psycopg", "psycopg2", "psycopg2-binary", "aiosqlite", "aiomysql", "asyncmy")


def installed(name: str) -> str | None:
    """The version of a package that is installed; ``None``: it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def look_at_versions(report: Report) -> None:
    """What is installed, and whether it is what this package needs."""
    report.add(SECTION, "python", State.OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    report.add(SECTION, _NAME, State.OK, installed(_NAME) or "run from its source tree")
    unmet = _unmet(requires(_NAME) or []) if installed(_NAME) else {}
    for name in dict.fromkeys((*_SHOWN, *unmet)):
        if name in unmet:
            report.add(SECTION, name, *unmet[name])
        elif found := installed(name):
            report.add(SECTION, name, State.OK, found)


def look_at_others(report: Report) -> None:
    """Other telemetry that is installed, and what sends statements that ours does not see."""
    drivers = {} if installed("sqlalchemy") else dict.fromkeys(_DRIVERS, _NOT_SEEN)
    for name, meaning in (_OTHERS | drivers).items():
        if found := installed(name):
            report.add(SECTION, name, State.NOTE, f"{found}: {meaning}")


def _unmet(requirements: Iterable[str]) -> dict[str, tuple[State, str]]:
    """Requirements that what is installed does not meet; of extras only what is installed."""
    found: dict[str, tuple[State, str]] = {}
    for text in requirements:
        requirement = Requirement(text)
        optional = requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
        has = installed(requirement.name)
        if has is None and not optional:
            found[requirement.name] = State.FAILED, f"is not installed; needed is {requirement.specifier}"
        elif has is not None and not requirement.specifier.contains(has, prereleases=True):
            extra = _extra_of_commands(requirement) if optional else None
            if extra is None:
                found[requirement.name] = State.FAILED, f"{has} is not supported; needed is {requirement.specifier}"
            else:
                message = f"{has}; wxiai-otel[{extra}] needs {requirement.specifier}, the application does not"
                found[requirement.name] = State.NOTE, message
    return found


def _extra_of_commands(requirement: Requirement) -> str | None:
    marker = requirement.marker
    return next((extra for extra in _OF_COMMANDS if marker is not None and marker.evaluate({"extra": extra})), None)
