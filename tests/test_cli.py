"""The command `wxiai-otel` itself: its help, and what completes it."""

import importlib.util
import json
import shlex

import pytest

from wxiai_otel import cli
from wxiai_otel.cli import main


def shown(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def examples(text: str) -> list[list[str]]:
    lines = text.partition("examples:\n")[2].splitlines()
    return [shlex.split(line.partition(" > ")[0])[1:] for line in lines if line.strip()]


def test_help_has_every_command_and_examples_of_it(capsys):
    text = shown(capsys, "--help")

    assert {words[0] for words in examples(text)} == {name for name, _, _ in cli._COMMANDS}


@pytest.mark.parametrize("command", [name for name, _, _ in cli._COMMANDS])
def test_help_of_a_command_has_its_own(capsys, command):
    assert {words[0] for words in examples(shown(capsys, command, "--help"))} == {command}


def test_what_follows_run_is_not_read(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr("wxiai_otel.cli.run", lambda words, environ: seen.append(words))

    main(["run", "uvicorn", "app:app", "--help"])
    main(["run", "--", "uvicorn", "--version", "--", "x"])

    assert seen == [["uvicorn", "app:app", "--help"], ["uvicorn", "--version", "--", "x"]]


def test_a_shell_can_complete_the_commands(capsys):
    status = main(["completion", "bash"])

    written = capsys.readouterr()
    if importlib.util.find_spec("shtab") is None:
        assert status == 1
        assert written.err == "wxiai-otel: shtab is not installed: pip install 'wxiai-otel[cli]'\n"
    else:
        assert status == 0
        assert "--prometheus" in written.out


def test_the_catalog_has_every_metric_with_its_labels(capsys):
    from wxiai_otel.catalogue import CONTRACT, RULE_METRICS

    assert main(["catalog", "--json"]) == 0

    found = {metric["name"]: metric for metric in json.loads(capsys.readouterr().out)}
    assert found.keys() == {*CONTRACT, *(metric.name for metric in RULE_METRICS)}
    assert found["http_requests_total"]["labels"] == ["method", "endpoint", "status_code", "user_role"]
    assert found["ai_task_duration_seconds"]["type"] == "histogram"


def test_the_catalog_is_searched_by_a_word(capsys):
    assert main(["catalog", "deadlock"]) == 0

    assert capsys.readouterr().out.startswith("db_deadlocks_total{pool} counter\n    ")


def test_a_word_that_no_metric_has_is_an_error_that_says_so(capsys):
    assert main(["catalog", "http_reqests"]) == 1

    written = capsys.readouterr()
    assert written.out == ""
    assert "'http_reqests'" in written.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["doctr"], "there is no command 'doctr'; allowed are run, doctor, init"),
        (["doctr"], "; did you mean doctor?"),
        (["Bridge", "--port", "1"], "; did you mean bridge?"),
        (
            ["doctor", "--promtheus", "x"],
            "unrecognized arguments: --promtheus x; did you mean --prometheus?",
        ),
        (["bridge", "--prot=5"], "; did you mean --port?"),
        (["init", "x", "--chanel", "dingtalk"], "; did you mean --channel?"),
        (["init", "x", "--grafana_port", "3"], "; did you mean --grafana-port?"),
        (["catalog", "http", "redis"], "unrecognized arguments: redis\n"),
        ([], "COMMAND"),
    ],
)
def test_a_misspelled_command_or_option_is_an_error_with_the_likeliest_one(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "word", "meant"), [("--channel", "dingtlak", "dingtalk"), ("--without", "grafan", "grafana")]
)
def test_so_is_a_misspelled_value_of_one(capsys, tmp_path, option, word, meant):
    assert main(["init", str(tmp_path / "x"), option, word]) == 1

    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")
