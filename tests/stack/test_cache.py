"""What is in the cache under a program's name is whole, and was made once."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from stack.cache import kept


def write(text):
    return lambda folder: (folder / "program").write_text(text)


def test_it_is_made_once(tmp_path):
    assert (kept(tmp_path, "key", write("one")) / "program").read_text() == "one"
    assert (kept(tmp_path, "key", write("two")) / "program").read_text() == "one"


def test_a_build_that_fails_leaves_nothing_and_is_made_anew(tmp_path):
    def fails(folder):
        (folder / "program").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        kept(tmp_path, "key", fails)
    assert [path.name for path in tmp_path.iterdir()] == ["key.lock"]

    assert (kept(tmp_path, "key", write("whole")) / "program").read_text() == "whole"


def test_nothing_is_under_the_name_while_it_is_made(tmp_path):
    seen = []
    kept(tmp_path, "key", lambda _folder: seen.append((tmp_path / "key").exists()))
    assert seen == [False]


def test_two_at_once_make_it_once(tmp_path, capsys):
    made = []

    def slow(folder):
        made.append(folder)
        time.sleep(0.3)
        (folder / "program").write_text("whole")

    threads = [threading.Thread(target=kept, args=(tmp_path, "key", slow)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert capsys.readouterr().err.count("waiting for another build of key") == 4


BUILD = """
import sys, time
from pathlib import Path
from stack.cache import kept

def make(folder):
    (folder / "program").write_text("half")
    print("making", flush=True)
    time.sleep(60)

try:
    kept(Path(sys.argv[1]), "key", make)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_is_not_in_the_way_of_the_next(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BUILD), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "making\n"
        process.send_signal(number)
        process.wait(10)
    assert not (tmp_path / "key").exists()

    assert (kept(tmp_path, "key", write("whole")) / "program").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.lock"]
