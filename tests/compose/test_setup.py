"""What comes before the containers: values are checked by name, secrets handed out to their readers alone."""

import pytest

from compose import setup


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("GIVEN", "KEPT", "HANDED_OUT", "DATA"):
        monkeypatch.setattr(setup, name, tmp_path / name)
        (tmp_path / name).mkdir()
    for folder, names in (("HANDED_OUT", setup.CONSUMERS), ("DATA", setup.OWNERS)):
        for name in names:
            (tmp_path / folder / name).mkdir()
    owners = {}
    monkeypatch.setattr("os.chown", lambda path, user, _group: owners.update({path.name: user}))
    return tmp_path


def handed_out(folders, consumer):
    return {file.name: file.read_text() for file in (folders / "HANDED_OUT" / consumer).iterdir()}


def test_secrets_are_made_up_once_and_both_sides_have_the_same(folders):
    assert setup.main() == 0
    first = handed_out(folders, "bridge")
    assert set(first) == {"bridge_token"}
    assert len(first["bridge_token"]) > 30
    assert handed_out(folders, "alertmanager") == first
    assert setup.main() == 0
    assert handed_out(folders, "bridge") == first


def test_a_given_secret_goes_first_and_to_its_readers_alone(folders):
    (folders / "GIVEN" / "dingtalk_secret").write_text("SEC\n")
    (folders / "GIVEN" / "grafana_admin_password").write_text("mine")
    (folders / "GIVEN" / "README.md").touch()
    assert setup.main() == 0
    assert handed_out(folders, "bridge")["dingtalk_secret"] == "SEC"
    assert handed_out(folders, "grafana") == {"grafana_admin_password": "mine"}
    assert set(handed_out(folders, "application")) == {"postgresql_password", "task_secret"}
    (folders / "GIVEN" / "dingtalk_secret").unlink()
    assert setup.main() == 0
    assert set(handed_out(folders, "bridge")) == {"bridge_token"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("dingtalk_secret", " \n", "secrets/dingtalk_secret is empty"), ("dingtalk", "x", "secrets/dingtalk is nobody's")],
)
def test_a_secret_that_is_none_is_named(folders, capsys, name, content, said):
    (folders / "GIVEN" / name).write_text(content)
    assert setup.main() == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", setup.VALUES)
@pytest.mark.parametrize("value", ["", "forever", "-1", "5 d"])
def test_a_bad_value_is_named(folders, capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert setup.main() == 1
    assert f"{name} is {value!r}; allowed is " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"), [("PROMETHEUS_RETENTION", "1y2w"), ("JAEGER_RETENTION", "1h30m"), ("TAIL_SAMPLING", "collector")]
)
def test_a_good_value_is_taken(folders, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert setup.main() == 0
