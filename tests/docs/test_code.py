"""The code in the documentation works: Python is executed, commands, options, variables and files are there."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import PAGES, Block, blocks, executed, has_tests, write
from tests.docs.pages import ROOT
from wxiai_otel import Settings, cli

TEXTS = {page: path.read_text() for page, path in PAGES.items()}
WITH_PYTHON = [page for page in PAGES if any(not has_tests(block) for block in executed(page))]
TESTS = [block for page in PAGES for block in executed(page) if has_tests(block)]
COMMANDS = [
    (page, line[2:])
    for page in PAGES
    for block in blocks(page, "console")
    for line in block.code.splitlines()
    if line.startswith("$ ")
]
OWN_COMMANDS = [(page, command) for page, command in COMMANDS if re.match(r"(\S+=\S+ )?wxiai-otel ", command)]


def python(*arguments: str, folder: Path = ROOT) -> str:
    """What a Python process has said that must end well."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "WXIAI_"))}
    env["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_something_to_test():
    assert "README.md" in WITH_PYTHON
    assert TESTS
    assert len(OWN_COMMANDS) > 10


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_of_a_page_does_what_the_page_says(page):
    python("-m", "tests.docs.run", page)


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_the_tests_of_a_page_pass(block: Block, tmp_path):
    write(block, tmp_path / "test_page.py")
    (tmp_path / "shop.py").write_text((ROOT / "tests" / "docs" / "shop.py").read_text())
    told = python(
        *("-m", "pytest", "-p", "wxiai_otel.testing.plugin", "-p", "no:cacheprovider", "-q", "test_page.py"),
        folder=tmp_path,
    )
    assert re.search(r"[1-9]\d* passed", told)


def words(command: str) -> list[str]:
    """The words of the first of the commands in a line that is ours, without variables before it."""
    found = shlex.split(command, comments=True)
    found = found[found.index("wxiai-otel") + 1 :]
    end = next((place for place, word in enumerate(found) if word in ("&&", "|", ">", "&")), len(found))
    return found[:end]


@pytest.mark.parametrize(("page", "command"), OWN_COMMANDS)
def test_a_command_of_ours_is_one(page, command):
    arguments = words(command)
    # An ellipsis stands for what is said elsewhere.
    cli._parser().parse_args([word for word in arguments if word != "…"])


@pytest.mark.parametrize(("page", "text"), TEXTS.items(), ids=TEXTS)
def test_scripts_and_their_options_are_there(page, text):
    for name, options in re.findall(r"scripts/([a-z][\w.-]*\w)((?: --[a-z-]+(?: [\w.-]+)?)*)", text):
        script = (ROOT / "scripts" / name).read_text()
        known = script
        for module in re.findall(r"-m ([a-z][\w.]*)", script):
            path = ROOT / module.replace(".", "/")
            parts = [*path.glob("*.py"), *path.parent.glob(f"{path.name}.py")]
            known += "".join(part.read_text() for part in parts)
        for option in re.findall(r"--[a-z-]+", options):
            assert option in known, f"{page}: scripts/{name} {option}"


@pytest.mark.parametrize(("page", "text"), TEXTS.items(), ids=TEXTS)
def test_variables_are_of_settings(page, text):
    known = {name for item in fields(Settings) for name in item.metadata["env"]}
    assert set(re.findall(r"\bWXIAI_OTEL_[A-Z_]*[A-Z]\b", text)) <= known


@pytest.mark.parametrize(("page", "text"), TEXTS.items(), ids=TEXTS)
def test_files_that_are_named_or_linked_are_there(page, text):
    folders = "alerts|benchmarks|collector|compose|dashboards|docs|examples|requirements|scripts|stack|tests|wxiai_otel"
    named = {ROOT / name for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text)}
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    linked = {PAGES[page].parent / target for target in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", without_blocks)}
    assert sorted(str(path) for path in named | linked if not path.exists()) == []


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page, "yaml")], ids=str)
def test_yaml_is_yaml(block):
    assert yaml.safe_load(block.code)


def test_what_is_not_executed_says_why():
    for page, text in TEXTS.items():
        assert len(re.findall(r"^```py", text, re.MULTILINE)) == len(blocks(page, "python")), page
        assert len(re.findall(r"^<!-- excerpt: ", text, re.MULTILINE)) == sum(
            block.excerpt for block in blocks(page, "python")
        ), page


def test_compose_has_the_profiles_that_are_named():
    profiles = {
        profile
        for service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
        for profile in service.get("profiles", [])
    }
    named = {name for text in TEXTS.values() for name in re.findall(r"--profile (\w+)", text)}
    assert named
    assert named <= profiles
