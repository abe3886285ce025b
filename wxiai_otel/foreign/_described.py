"""Names, units and descriptions of foreign meters and instruments, bounded in length."""

import re
from itertools import islice
from typing import Any

from .._labels import printable
from ._sets import MAX_KEYS
from ._values import bounded_text, bounded_value

Scope = tuple[str, str | None, str | None, dict[str, Any]]

# https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax
_NAME = re.compile(r"[a-zA-Z][-_./a-zA-Z0-9]{0,254}")
_MAX_UNIT = 63
_MAX_DESCRIPTION = 1_024


def scope_of(name: Any, version: Any, schema_url: Any, attributes: Any) -> Scope:
    """Return what identifies a meter: name, version, schema URL and attributes."""
    pairs = islice(attributes.items(), MAX_KEYS) if attributes else ()
    return (
        bounded_text(str(name or "")),
        None if version is None else bounded_text(str(version)),
        None if schema_url is None else bounded_text(str(schema_url)),
        {bounded_text(str(key)): bounded_value(value)[0] for key, value in pairs},
    )


def described(name: Any, unit: Any, description: Any) -> tuple[str, str, str] | None:
    """Return the name, unit and description of an instrument; ``None`` if its name is not allowed.

    A unit that is not allowed is left out. The SDK would raise, and keep each name that it has refused.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return None
    is_unit = isinstance(unit, str) and unit.isascii() and len(unit) <= _MAX_UNIT
    text = description if isinstance(description, str) else ""
    return name, unit if is_unit else "", printable(text[:_MAX_DESCRIPTION])
