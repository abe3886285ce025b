"""Check that every regular expression of the package takes linear time. See `redos`.

The check finds the patterns that the package compiles while it is imported or in a function `compile_patterns`, and
those in the `re` calls of its source. A call whose pattern it cannot find is an error.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from redos import growth

FUNCTIONS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
# Files whose patterns may take more than linear time, with the reason.
ALLOWED = {"wxiai_otel/lay_out/_edits.py": "they read the files of this package"}


class Found(NamedTuple):
    """A pattern of the source.

    Attributes:
        place: File and line.
        pattern: The pattern.
        flags: The flags of the pattern.
        method: The method that runs the pattern; ``search`` unless every use starts at the beginning of the text.
    """

    place: str
    pattern: str | bytes
    flags: int
    method: str


class Compiled:
    """The patterns that files of a directory compile, by file and line."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.found: dict[tuple[str, int], list[tuple[str | bytes, int]]] = {}
        self._original = original = re._compile  # noqa: SLF001 - every function of `re` calls it

        def compiled(pattern: Any, flags: Any) -> Any:
            frame = sys._getframe(1)  # noqa: SLF001 - no public way is as short
            while frame.f_back is not None and frame.f_code.co_filename == re.__file__:
                frame = frame.f_back
            if frame.f_code.co_filename.startswith(self.folder) and isinstance(pattern, str | bytes):
                self.found.setdefault((frame.f_code.co_filename, frame.f_lineno), []).append((pattern, int(flags)))
            return original(pattern, flags)

        re._compile = compiled  # noqa: SLF001 - as above

    def stop(self) -> None:
        """Stop recording."""
        re._compile = self._original  # noqa: SLF001 - as above


def patterns(folder: Path) -> Iterator[Found]:
    """Yield the patterns of a package.

    Parameters:
        folder: The package's directory. Its parent must be on the import path.

    Raises:
        LookupError: The pattern of a call cannot be found.
    """
    compiled = Compiled(folder)
    try:
        modules = {path: _imported(path, folder) for path in sorted(folder.rglob("*.py"))}
        for namespace in modules.values():
            namespace.get("compile_patterns", lambda: None)()
    finally:
        compiled.stop()
    for path, namespace in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and _function(call) and call.args):
                continue
            place = f"{path.relative_to(folder.parent)}:{call.lineno}"
            lines = range(call.lineno, (call.end_lineno or call.lineno) + 1)
            found = [one for line in lines for one in compiled.found.get((str(path), line), ())]
            if not found:
                found = [(one, _flags(call, namespace)) for one in _named(call.args[0], namespace, tree)]
            if not found:
                raise LookupError(f"{place}: cannot determine the pattern before the call; build it at import")
            method = _method(call, tree)
            yield from (Found(place, pattern, flags, method) for pattern, flags in dict.fromkeys(found))


def _imported(path: Path, folder: Path) -> dict[str, Any]:
    """Return the names of a module. For one that cannot be imported, e.g. a program, return only `re`."""
    parts = path.relative_to(folder.parent).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    if name.endswith(("__main__", "sitecustomize")):
        return {"re": re}
    return vars(importlib.import_module(name))


def _function(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re":
        return function.attr if function.attr in FUNCTIONS else None
    return None


class _Filled(ast.NodeTransformer):
    """A transformer that replaces values known only at call time by a word."""

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        return ast.Constant("word") if not isinstance(node.value, ast.Constant) else node


def _named(node: ast.expr, namespace: dict[str, Any], tree: ast.AST) -> list[str | bytes]:
    """Return the possible patterns of an expression: evaluated in its module, or assigned in its function."""
    for one in (node, _Filled().visit(ast.parse(ast.unparse(node), mode="eval").body)):
        if (value := _evaluated(one, namespace)) is not None:
            return [value]
    if isinstance(node, ast.Name):
        assigned = [
            one.value
            for one in ast.walk(tree)
            if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in one.targets)
        ]
        return [value for one in assigned for value in _named(one, namespace, ast.Module([], []))]
    return []


def _evaluated(node: ast.expr, namespace: dict[str, Any]) -> str | bytes | None:
    try:
        value = eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<pattern>", "eval"), dict(namespace))  # noqa: S307 - our own source
    except Exception:  # noqa: BLE001 - the value depends on the call
        return None
    return value.pattern if isinstance(value, re.Pattern) else value if isinstance(value, str | bytes) else None


def _flags(call: ast.Call, namespace: dict[str, Any]) -> int:
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "flags"), None)
    position = {"sub": 4, "subn": 4, "split": 3}.get(_function(call) or "", 2 if _function(call) != "compile" else 1)
    given = given or (call.args[position] if len(call.args) > position else None)
    return 0 if given is None else int(eval(compile(ast.Expression(given), "<flags>", "eval"), dict(namespace)))  # noqa: S307 - our own source


def _method(call: ast.Call, tree: ast.AST) -> str:
    """Return the method that runs a pattern: that of the call, or of all uses of the assigned name."""
    function = _function(call)
    if function != "compile":
        return function if function in ("match", "fullmatch") else "search"
    names = [
        target.id
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and one.value is call
        for target in one.targets
        if isinstance(target, ast.Name)
    ]
    uses = {
        parent.attr if isinstance(parent, ast.Attribute) else "search"
        for parent in ast.walk(tree)
        for child in ast.iter_child_nodes(parent)
        if isinstance(child, ast.Name) and child.id in names and isinstance(child.ctx, ast.Load)
    }
    return "fullmatch" if uses == {"fullmatch"} else "match" if uses and uses <= {"match", "fullmatch"} else "search"


def main(folder: Path) -> int:
    """Print the patterns that take more than linear time.

    Parameters:
        folder: The package's directory.

    Returns:
        The exit status.
    """
    sys.path.insert(0, str(folder.parent))
    found = list(patterns(folder))
    bad = 0
    for one in found:
        word = growth(one.pattern, one.flags, one.method)
        if word is not None and one.place.partition(":")[0] not in ALLOWED:
            bad += 1
            print(f"{one.place}: {one.pattern!r} takes more than linear time for repetitions of {word!r}")
    print(f"{len(found)} patterns, {bad} of which take more than linear time")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "wxiai_otel").resolve()))
