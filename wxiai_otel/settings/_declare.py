"""Declaring a setting."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

from starlette.types import Scope

from .._parsers import Parser

User = tuple[object | None, str | None]
FindUser = Callable[[Scope], User | None]


def setting(default: Any, doc: str, parse: Parser, *env: str, secret: bool = False) -> Any:
    """Declare one setting: its default, its documentation, its parser and the environment variables in their order."""
    metadata = {"doc": doc, "parse": parse, "env": env, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)
