"""The public API is what `tests/api.txt` says: whoever changes it decides on the version."""

import importlib
import re
from pathlib import Path

import pytest

import wxiai_otel
from tests.api import MODULES, public_api

ROOT = Path(__file__).parents[1]


def test_it_is_what_was_released():
    assert (ROOT / "tests" / "api.txt").read_text() == public_api(), (
        "the public API is another: where that is meant, run scripts/docs, and raise the version's second number, "
        "or its first where something is gone or asks for more"
    )


@pytest.mark.parametrize("name", MODULES)
def test_each_public_name_is_there_and_documented(name):
    module = importlib.import_module(name)

    for public in module.__all__:
        found = getattr(module, public)
        assert isinstance(found, str) or found.__doc__, public
    assert sorted(module.__all__) == [*module.__all__]
    assert len(set(module.__all__)) == len(module.__all__)


def test_the_documentation_uses_nothing_else():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    imported = set()
    for page in pages:
        for block in re.findall(r"from wxiai_otel import (\([^)]*\)|[^\n]*)", page.read_text()):
            imported |= set(re.findall(r"\w+", block.partition("#")[0]))

    assert imported
    assert imported <= set(wxiai_otel.__all__)
