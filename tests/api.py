"""The public API as text: what `tests/api.txt` holds, and a change of it is a decision on the version."""

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

MODULES = ("wxiai_otel", "wxiai_otel.testing")
# Of the others objects are got from functions and fixtures.
_MADE_BY_USERS = ("AlertManager", "LogFormatter")


def public_api() -> str:
    """Every public name with its signature; of a class also its members."""
    return "\n".join(line for module in MODULES for line in _module(module)) + "\n"


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield f"# {name}"
    for public in sorted(module.__all__):
        yield from _described(public, getattr(module, public))


def _described(name: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found):
        bases = ", ".join(base.__name__ for base in found.__bases__ if base is not object)
        yield f"class {name}({bases})"
        yield from (f"    {line}" for line in _members(found))
    elif callable(found):
        yield f"{'async ' if inspect.iscoroutinefunction(found) else ''}def {name}{_signature(found)}"
    else:
        yield f"{name}: {type(found).__name__}"


def _members(cls: type) -> Iterator[str]:
    if dataclasses.is_dataclass(cls):
        yield from (f"{field.name}: {_type(field.type)}" for field in dataclasses.fields(cls))
    if cls.__name__ in _MADE_BY_USERS:
        yield f"def __init__{_signature(cls.__init__)}"
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_") or (dataclasses.is_dataclass(cls) and name in cls.__dataclass_fields__):
            continue
        if isinstance(member, property):
            yield f"{name}: {_type(inspect.signature(member.fget).return_annotation)}"
        elif isinstance(member, classmethod | staticmethod):
            yield f"{type(member).__name__} {name}{_signature(member.__func__)}"
        elif inspect.isfunction(member):
            yield from _described(name, member)


def _signature(found: Any) -> str:
    try:
        signature = inspect.signature(found)
    except ValueError:
        return ""
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    # Annotations are printed differently from one Python to the next; mypy holds them to tests/typing.
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
