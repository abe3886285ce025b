"""What alerting reads is laid out with this stack's addresses."""

import os
import re
import subprocess
import tomllib

import pytest

from stack.alerting import ALERTS, lay_out_alertmanager, lay_out_bridge, lay_out_rules
from stack.binaries import find
from stack.services import wanted
from wxiai_otel.alerting.bridge import _config


@pytest.mark.built
def test_alertmanager(tmp_path):
    config = lay_out_alertmanager(tmp_path, "127.0.0.1:1234", "127.0.0.1:2525")
    text = config.read_text()
    # Every literal that stands for an address here is in the file, and none of docker-compose's is left.
    assert "http://127.0.0.1:1234/notify/dingtalk" in text
    assert "smtp_smarthost: 127.0.0.1:2525" in text
    assert f"credentials_file: {tmp_path}/secrets/bridge_token" in text
    assert "/api/v1/query?query=$1" in text
    in_force = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"bridge:9095|mailpit:|/etc/alertmanager", in_force)
    done = subprocess.run([find("amtool"), "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_link_to_this_bridge_and_old_ones_go(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setattr("stack.alerting.ALERTS", source)
    (source / "a_alerts.yml").write_text("runbook_url: http://localhost:9095/runbooks/A\n")
    (source / "b_rules.yml").write_text("groups: []\n")
    (source / "alertmanager.yml").write_text("")
    folder = lay_out_rules(tmp_path / "rules", "127.0.0.1:1234")
    assert (folder / "a_alerts.yml").read_text() == "runbook_url: http://127.0.0.1:1234/runbooks/A\n"
    (source / "b_rules.yml").unlink()
    lay_out_rules(folder, "127.0.0.1:1234")
    assert [path.name for path in folder.iterdir()] == ["a_alerts.yml"]


def test_no_service_rewrites_what_an_earlier_one_is_reading(tmp_path, monkeypatch):
    monkeypatch.setenv("STACK_VICTORIAMETRICS", "1")
    services = wanted()
    ports = {name: port for service in services for name, port in service.ports.items()}
    for service in services:
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        for path in before:
            os.utime(path, (0, 0))
        service.arguments(ports, tmp_path)
        assert {path for path in before if not path.exists() or path.stat().st_mtime} == set(), service.name


def test_the_bridge_is_the_users_once_it_is_there(tmp_path):
    config = lay_out_bridge(tmp_path)
    token = (tmp_path / "secrets" / "bridge_token").read_text()
    assert len(token) > 30
    assert (tmp_path / "secrets" / "bridge_token").stat().st_mode & 0o077 == 0
    assert not _config.load(config, {}).channels
    config.write_text('[webhook]\nurl = "http://x"')
    assert lay_out_bridge(tmp_path).read_text() == '[webhook]\nurl = "http://x"'
    assert (tmp_path / "secrets" / "bridge_token").read_text() == token


def test_all_of_the_template_is_allowed(tmp_path):
    text = re.sub(r"(?m)^# (?=\[|\w+ = )", "", (ALERTS / "bridge.toml").read_text())
    text = text.replace("# token_file", "token_file")
    for name in re.findall(r'"/run/secrets/(\w+)"', text):
        (tmp_path / name).write_text("http://localhost/x" if name.endswith("url") else "secret")
    text = text.replace("/run/secrets", str(tmp_path))
    assert set(tomllib.loads(text)) == {*_config.ALL_CHANNELS, "bridge"}
    (tmp_path / "bridge.toml").write_text(text)
    made = _config.load(tmp_path / "bridge.toml", {})
    assert set(made.channels) == set(_config.ALL_CHANNELS)
    assert made.token
