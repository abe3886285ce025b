"""A shared server runs once for all of its users, and ends after the last, however that one ended."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from stack.programs import ROOT
from stack.state import Process
from tests.servers.shared import shared
from tests.until import until

NAME = "tests.servers.test_shared:server"
USER = """
import json, pathlib, sys, time
from tests.servers.shared import shared

with shared(pathlib.Path(sys.argv[1]), sys.argv[2]) as found:
    print(json.dumps(found), flush=True)
    time.sleep(60)
"""


@contextmanager
def server(folder: Path):
    yield os.getpid()
    (folder / "ended").touch()


def test_users_in_several_processes_have_one_server_that_ends_with_a_killed_user_too(tmp_path):
    ended = tmp_path / NAME.replace(":", ".") / "data" / "ended"
    command = [sys.executable, "-c", USER, str(tmp_path), NAME]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        theirs = json.loads(other.stdout.readline())
        with shared(tmp_path, NAME) as ours:
            assert ours == theirs
        running = Process.of(theirs)
        assert running.alive()
        assert not ended.exists()
        other.send_signal(signal.SIGKILL)
    until(lambda: not running.alive())
    assert ended.exists()

    with shared(tmp_path, NAME) as restarted:
        assert restarted != theirs
