"""Two servers in PID namespaces of their own, as in two containers, share a user and a temporary directory."""

import os
import shutil
from pathlib import Path

import pytest

from tests.workers.conftest import PRIVATE, Spawner, serving, watched

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="namespaces need root and util-linux"
)


@pytest.fixture(scope="module")
def spawners(secluded):
    """Two spawners, which are both process 1 of a PID namespace."""
    inside = ("nsenter", f"--mount=/proc/{secluded.process.pid}/ns/mnt", f"--wd={Path.cwd()}")
    apart = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    spawners = [Spawner(*inside, *apart) for _ in range(2)]
    yield spawners
    for spawner in spawners:
        spawner.close()


@pytest.fixture
def containers(spawners, secluded):
    """The spawners, whose directories for temporary files are empty."""
    yield spawners
    secluded.clear()


def environ(directory):
    return {"TMPDIR": directory}


@pytest.mark.parametrize("directory", PRIVATE[:2])
@pytest.mark.long
def test_neither_of_two_servers_disturbs_the_other_while_its_workers_come_and_go(containers, directory):
    with serving(containers[0], environ(directory)) as one, serving(containers[1], environ(directory)) as other:
        observer, second = one.worker(), one.worker()
        observer.record(3)
        second.record(4)
        with watched(observer) as seen:
            for number in range(6):
                live, going = other.worker(), other.worker()
                live.record(10)
                going.record(20)
                assert live.registrations() == 30 * (number + 1)
                going.kill()
                assert live.registrations() == 30 * (number + 1)
                live.end()
        assert set(seen) == {7}
        assert second.registrations() == 7
        third = one.worker()
        third.record(1)
        assert observer.registrations() == 8


@pytest.mark.long
def test_workers_of_two_servers_that_are_given_one_directory_never_count_backwards(containers, public):
    shared = {"WXIAI_OTEL_WORKERS_FOLDER": f"{public}/workers"}
    with serving(containers[0], shared) as one, serving(containers[1], shared) as other:
        observer = one.worker()
        observer.record(3)
        with watched(observer) as seen:
            for number in range(6):
                worker = other.worker()
                worker.record(10)
                (worker.end, worker.kill)[number % 2]()
        assert None not in seen
        assert seen == sorted(seen)
        assert observer.registrations() == 63
