"""`wxiai-otel init`: what it writes, what it leaves alone, and that the programs accept it."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from stack.binaries import find
from wxiai_otel import _lay_out
from wxiai_otel.cli import main

ROOT = Path(__file__).parents[1]


def init(folder: Path, *options: str) -> int:
    return main(["init", str(folder), *options])


def files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_it_writes_the_pipeline_and_says_what_comes_next(tmp_path, capsys):
    assert init(tmp_path / "monitoring") == 0

    written = files(tmp_path / "monitoring")
    assert {"docker-compose.yml", "Dockerfile", "prometheus.yml", "jaeger.yaml", "alerts/alertmanager.yml"} <= set(
        written
    )
    assert written["collector/contract.yaml"] == (ROOT / "collector" / "contract.yaml").read_text()
    assert capsys.readouterr().out.splitlines() == [
        f"{len(written)} files written to {tmp_path}/monitoring",
        f"then: docker compose --project-directory {tmp_path}/monitoring up --build --wait",
    ]


def test_the_examples_services_are_left_out_and_nothing_else_is(tmp_path):
    init(tmp_path)

    ours = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    written = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())
    assert written["services"] == {
        name: service for name, service in ours["services"].items() if "profiles" not in service
    }
    assert {**written, "services": {}} == {**ours, "services": {}}


def test_every_file_that_is_mounted_or_copied_is_there(tmp_path):
    init(tmp_path)

    services = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())["services"].values()
    mounted = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    assert [path for path in mounted if path.startswith("./") and not (tmp_path / path).exists()] == []
    copied = [line.split()[1] for line in (tmp_path / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    assert copied == ["compose"]
    assert (tmp_path / "compose" / "setup.py").is_file()


def test_its_image_has_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f'"wxiai-otel[bridge]=={version}"' in _lay_out.contents([])["Dockerfile"]


class TestChannels:
    def test_those_asked_for_are_on_and_their_secrets_are_named(self, tmp_path, capsys):
        init(tmp_path, "--channel", "dingtalk", "--channel", "heartbeat")

        config = tomllib.loads((tmp_path / "alerts" / "bridge.toml").read_text())
        assert set(config) == {"bridge", "dingtalk", "heartbeat"}
        assert f"write the secret into {tmp_path}/secrets/dingtalk_secret" in capsys.readouterr().out.splitlines()

    def test_without_any_none_is(self, tmp_path):
        init(tmp_path)

        assert set(tomllib.loads((tmp_path / "alerts" / "bridge.toml").read_text())) == {"bridge"}

    def test_an_unknown_one_is_a_clear_error_and_nothing_is_written(self, tmp_path, capsys):
        assert init(tmp_path, "--channel", "dingtlak") == 1

        assert "no channel 'dingtlak'; allowed are dingtalk, wechat, feishu" in capsys.readouterr().err
        assert files(tmp_path) == {}


class TestFilesThatAreThere:
    def test_others_are_not_overwritten_and_nothing_is_written(self, tmp_path, capsys):
        (tmp_path / "prometheus.yml").write_text("mine")

        assert init(tmp_path) == 1

        assert files(tmp_path) == {"prometheus.yml": "mine"}
        assert "has others of prometheus.yml: nothing is written; --force overwrites them" in capsys.readouterr().err

    def test_with_force_they_are_and_secrets_stay(self, tmp_path):
        init(tmp_path)
        (tmp_path / "prometheus.yml").write_text("mine")
        (tmp_path / "secrets" / "dingtalk_secret").write_text("s")

        assert init(tmp_path, "--force") == 0

        assert files(tmp_path)["prometheus.yml"] != "mine"
        assert files(tmp_path)["secrets/dingtalk_secret"] == "s"

    def test_the_same_ones_are_as_they_should_be(self, tmp_path, capsys):
        init(tmp_path)
        before = files(tmp_path)
        capsys.readouterr()

        assert init(tmp_path) == 0

        assert files(tmp_path) == before
        assert capsys.readouterr().out.startswith("0 files written")

    def test_a_folder_that_cannot_be_made_is_a_clear_error(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")

        assert init(tmp_path / "file" / "in") == 1
        assert "cannot be written: Not a directory" in capsys.readouterr().err


@pytest.mark.built
class TestThePrograms:
    @pytest.fixture
    def folder(self, tmp_path):
        init(tmp_path, "--channel", "wechat")
        return tmp_path

    def accepts(self, *command: object, **options) -> str:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test_prometheus_accepts_its_configuration_with_all_rules(self, folder):
        told = self.accepts(find("promtool"), "check", "config", folder / "prometheus.yml")

        assert told.count("rules found") == len([*(folder / "alerts").glob("*_*s.yml")])

    def test_the_collector_accepts_its_layers(self, folder):
        layers = [f"--config={folder}/collector/{name}.yaml" for name in ("base", "contract", "traces", "self")]

        self.accepts(find("otelcol"), "validate", *layers)

    def test_alertmanager_and_jaeger_accept_theirs(self, folder):
        self.accepts(find("amtool"), "check-config", folder / "alerts" / "alertmanager.yml")
        self.accepts(find("jaeger"), "validate", f"--config={folder}/jaeger.yaml")

    def test_compose_accepts_the_whole(self, folder):
        compose = (find("compose"), "--project-directory", folder, "-f", folder / "docker-compose.yml")

        told = json.loads(self.accepts(*compose, "config", "--format=json"))

        assert set(told["services"]) == {
            *("setup", "collector", "prometheus", "alertmanager", "bridge", "jaeger", "grafana", "mailpit"),
        }
