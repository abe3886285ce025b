"""Every promise in docs/security.md names a test that exists."""

import ast
import re

from stack.programs import ROOT


def test_every_test_that_is_named_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert named
    missing = []
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if test not in functions:
            missing.append(f"{path}::{test}")
    assert missing == []
