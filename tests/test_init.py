"""`wxiai-otel init`: what it writes, what it leaves alone, and that the programs accept it."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from stack.binaries import find
from wxiai_otel.cli import main
from wxiai_otel.lay_out import Choices, LayOutError, ask, contents

ROOT = Path(__file__).parents[1]
MAIL = ("--mail-server=smtp.example.org:465", "--mail-from=wxiai@example.org", "--mail-to=ops@example.org")


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
    kept = {name: service for name, service in ours["services"].items() if "profiles" not in service}
    for service in (*kept.values(), *written["services"].values()):
        # Some are mounted for the example only.
        service["volumes"] = [
            volume for volume in service.get("volumes", []) if volume.split(":")[0] in written["volumes"]
        ]
    assert written["services"] == kept
    assert {**written, "services": {}, "volumes": {}} == {**ours, "services": {}, "volumes": {}}
    assert ours["volumes"].keys() - written["volumes"].keys() == {
        *("redis", "postgresql", "application-secrets", "postgresql-secrets"),
    }


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

    assert f'"wxiai-otel[bridge]=={version}"' in contents(Choices())["Dockerfile"]


class TestChannels:
    def test_those_asked_for_are_on_and_their_secrets_are_named(self, tmp_path, capsys):
        init(tmp_path, "--channel", "dingtalk", "--channel", "heartbeat")

        config = tomllib.loads((tmp_path / "alerts" / "bridge.toml").read_text())
        assert set(config) == {"bridge", "dingtalk", "heartbeat"}
        assert f"write the secret into {tmp_path}/secrets/dingtalk_secret" in capsys.readouterr().out.splitlines()

    def test_what_has_addresses_of_examples_is_to_be_edited(self, tmp_path, capsys):
        init(tmp_path, "--channel", "email", "--channel", "dingtalk")

        told = capsys.readouterr().out
        assert f"put your own addresses into {tmp_path}/alerts/bridge.toml, [email]" in told
        assert "[dingtalk]" not in told

    def test_without_any_none_is(self, tmp_path):
        init(tmp_path)

        assert set(tomllib.loads((tmp_path / "alerts" / "bridge.toml").read_text())) == {"bridge"}

    def test_an_unknown_one_is_a_clear_error_and_nothing_is_written(self, tmp_path, capsys):
        assert init(tmp_path, "--channel", "dingtlak") == 1

        assert "no channel 'dingtlak'; allowed are dingtalk, wechat, feishu" in capsys.readouterr().err
        assert files(tmp_path) == {}


class TestServices:
    def test_what_is_left_out_leaves_nothing_behind(self, tmp_path):
        init(tmp_path, "--without", "grafana", "--traces-to", "tempo:4317", *MAIL)

        compose = (tmp_path / "docker-compose.yml").read_text()
        assert set(yaml.safe_load(compose)["services"]) == {
            "setup",
            "collector",
            "prometheus",
            "alertmanager",
            "bridge",
        }
        settings = "\n".join(line for line in compose.splitlines() if "_RETENTION" not in line)
        assert re.findall(r"grafana:|grafana-|mailpit|jaeger:|jaeger\.yaml", settings) == []
        assert not {"jaeger.yaml", "dashboards"} & {path.name for path in tmp_path.iterdir()}
        assert "jaeger" not in (tmp_path / "prometheus.yml").read_text()
        assert "localhost:3000" not in "".join(files(tmp_path).values())

    def test_traces_go_to_the_receiver_that_is_named(self, tmp_path):
        init(tmp_path, "--traces-to", "tempo:4317")

        services = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())["services"]
        assert services["collector"]["environment"]["COLLECTOR_JAEGER"] == "tempo:4317"
        assert "jaeger" not in services["grafana"]["depends_on"]
        sources = (tmp_path / "dashboards" / "provisioning" / "datasources" / "wxiai.yaml").read_text()
        (prometheus,) = yaml.safe_load(sources)["datasources"]
        assert set(prometheus["jsonData"]) == {"httpMethod", "timeInterval", "prometheusType"}

    def test_mails_go_by_the_server_to_who_is_named_with_tls(self, tmp_path, capsys):
        init(tmp_path, *MAIL, "--mail-user", "robot@example.com")

        config = yaml.safe_load((tmp_path / "alerts" / "alertmanager.yml").read_text())
        assert config["global"] == {
            "resolve_timeout": "5m",
            "smtp_smarthost": "smtp.example.org:465",
            "smtp_from": "wxiai@example.org",
            "smtp_require_tls": True,
            "smtp_auth_username": "robot@example.com",
            "smtp_auth_password_file": "/etc/alertmanager/secrets/smtp_password",
        }
        mails = [mail for receiver in config["receivers"] for mail in receiver.get("email_configs", [])]
        assert {mail["to"] for mail in mails} == {"ops@example.org"}
        assert len(mails) == 6
        assert f"write the secret into {tmp_path}/secrets/smtp_password" in capsys.readouterr().out.splitlines()

    def test_ports(self, tmp_path):
        init(tmp_path, "--grafana-port", "3333", "--otlp-port", "4444")

        services = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())["services"]
        assert services["collector"]["ports"] == ["127.0.0.1:4444:4318"]
        assert services["grafana"]["ports"] == ["${PUBLISH_ADDRESS:-127.0.0.1}:${GRAFANA_PORT:-3333}:3000"]
        assert "http://localhost:3333/d/wxiai-http" in (tmp_path / "alerts" / "business_alerts.yml").read_text()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--without", "prometheus"], "'prometheus' cannot be left out; allowed are grafana, jaeger, mailpit"),
            (["--without", "jaeger"], "--without jaeger needs --traces-to"),
            (["--without", "mailpit"], "--without mailpit needs --mail-server"),
            (["--traces-to", "tempo"], "--traces-to is 'tempo'; allowed is host:port"),
            (["--traces-to", "tempo:70000"], "allowed is host:port"),
            (["--mail-server", "smtp:25"], "--mail-server needs --mail-from and --mail-to"),
            (["--mail-user", "x"], "--mail-user needs --mail-server"),
            (["--mail-to", "ops"], "--mail-to is 'ops'; allowed is a mail address"),
            (["--mail-from", "a@b\nsmtp_hello: x"], "allowed is a mail address"),
            (["--mail-user", '"'], "allowed is a name of letters"),
            (["--grafana-port", "0"], "--grafana-port is 0; allowed is a port from 1 to 65535"),
        ],
    )
    def test_what_is_not_allowed_is_a_clear_error_and_nothing_is_written(self, tmp_path, capsys, options, message):
        assert init(tmp_path, *options) == 1

        assert message in capsys.readouterr().err
        assert files(tmp_path) == {}


class TestQuestions:
    def asked(self, *answers: str) -> tuple[Choices, str]:
        shown = io.StringIO()
        return ask(io.StringIO("".join(f"{answer}\n" for answer in answers)), shown), shown.getvalue()

    def test_enter_takes_the_defaults(self):
        assert self.asked(*[""] * 5)[0] == Choices()

    def test_answers_are_what_the_options_are(self):
        answers = ("dingtalk, wechat", "smtp:587", "a@example.com", "", "robot", "tempo:4317", "none", "4318")

        assert self.asked(*answers)[0] == Choices(
            channels=("dingtalk", "wechat"),
            without=("grafana",),
            traces_to="tempo:4317",
            mail_server="smtp:587",
            mail_from="a@example.com",
            mail_to="oncall@example.com",
            mail_user="robot",
            otlp_port=4318,
        )

    def test_what_is_not_allowed_is_asked_again(self):
        choices, shown = self.asked("dingtlak", "dingtalk", "", "", "70000", "3001", "")

        assert (choices.channels, choices.grafana_port) == (("dingtalk",), 3001)
        assert "there is no channel 'dingtlak'; allowed are dingtalk, wechat" in shown
        assert "allowed is a port from 1 to 65535" in shown

    def test_without_further_answers_nothing_is_written(self):
        with pytest.raises(LayOutError, match="nothing is written"):
            self.asked("")

    @pytest.mark.parametrize(("options", "asked"), [((), True), (("--defaults",), False), (("--force",), True)])
    def test_it_is_asked_on_a_terminal_where_nothing_is_chosen(self, tmp_path, options, asked):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "wxiai_otel.cli", "init", str(tmp_path / "m"), *options]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT) as process:
            os.close(theirs)
            os.write(ours, b"feishu\n" + b"\n" * 4)
            process.wait(30)
        shown = os.read(ours, 65536).decode()
        os.close(ours)

        assert process.returncode == 0, shown
        enabled = tomllib.loads((tmp_path / "m" / "alerts" / "bridge.toml").read_text())
        assert ("feishu" in enabled) == asked


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
    @pytest.fixture(params=["all", "least"])
    def folder(self, tmp_path, request):
        least = ("--without=grafana", "--traces-to=tempo:4317", "--otlp-port=4318", "--mail-user=robot", *MAIL)
        init(tmp_path, "--channel", "wechat", *(least if request.param == "least" else ()))
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
        if (folder / "jaeger.yaml").exists():
            self.accepts(find("jaeger"), "validate", f"--config={folder}/jaeger.yaml")

    def test_compose_accepts_the_whole(self, folder):
        compose = (find("compose"), "--project-directory", folder, "-f", folder / "docker-compose.yml")

        told = json.loads(self.accepts(*compose, "config", "--format=json"))

        least = {"setup", "collector", "prometheus", "alertmanager", "bridge"}
        assert set(told["services"]) in (least, least | {"jaeger", "grafana", "mailpit"})
