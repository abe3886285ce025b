"""The doctor, in this process and in another one, and what it has said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wxiai_otel import _under_test
from wxiai_otel.cli import main

ROOT = Path(__file__).parents[2]
DOCTOR = [sys.executable, "-m", "wxiai_otel.cli", "doctor"]


class Seen:
    """What the doctor has said."""

    def __init__(self, said: dict, status: int) -> None:
        self.said = said
        self.status = status
        self.settings = {one["name"]: (one["value"], one["source"]) for one in said["settings"]}

    def of(self, name: str, section: str | None = None) -> tuple[str, str]:
        """(state, message) of the only thing of that name that was looked at."""
        (found,) = [one for one in self.said["findings"] if one["name"] == name and section in (None, one["section"])]
        return found["state"], found["message"]

    def has(self, name: str) -> bool:
        return any(one["name"] == name for one in self.said["findings"])


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    """Runs the command in this process, in a folder and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the servers that a test starts
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*options: str, **environ: str) -> Seen:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        status = main(["doctor", "--json", *options])
        return Seen(json.loads(capsys.readouterr().out), status)

    yield run
    _under_test.switch(None)


@pytest.fixture
def doctor_beside(doctor, tmp_path, monkeypatch):
    """Runs it in this process, where other packages are installed too."""
    monkeypatch.syspath_prepend(tmp_path)
    return doctor


@pytest.fixture
def elsewhere(tmp_path):
    """Runs it in another process, where packages are others."""

    def run(**environ: str) -> Seen:
        env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", **environ}
        command = [*DOCTOR, "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
        return Seen(json.loads(done.stdout), done.returncode)

    return run


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module with an application."""

    def write(*lines: str) -> str:
        text = "\n".join(["from fastapi import FastAPI", "import wxiai_otel", "app = FastAPI(title='shop')", *lines])
        (tmp_path / "shop.py").write_text(text)
        return "shop:app"

    yield write
    sys.modules.pop("shop", None)
