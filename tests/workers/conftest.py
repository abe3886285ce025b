"""Workers of one server, as processes that a test starts, stops and kills."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import pytest

from tests.scrape import Scrape, parse
from tests.until import until
from tests.workers import actions
from tests.workers.strangers import remove
from tests.workers.watch import Watch

NOBODY = 65534
# Where a process finds room for temporary files, besides /tmp.
PRIVATE = ("/dev/shm", "/var/tmp", "/run")
# How long the workers may take to answer with the totals once what kept them from each other is gone.
HEAL_SECONDS = 5
# A scrape that has not read all workers by then is answered without totals.
GIVE_UP_SECONDS = 2
REGISTRATIONS = "user_registrations_total"


class Spawner:
    """The process that forks workers.

    Parameters:
        before: Words of the command before Python, as for a namespace.
    """

    def __init__(self, *before: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "WXIAI_"))}
        self._folder = Path(tempfile.mkdtemp(prefix="spawner-"))
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.workers.spawner"],
            env={**kept, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=Path(__file__).parents[2],
        )
        assert self.process.stdout.readline() == b"ready\n"

    def fork(self, environ: dict[str, str], uid: int) -> Connection:
        """Fork a worker."""
        with Listener(str(self._folder / secrets.token_hex(8)), "AF_UNIX") as listener:
            asked = {"address": listener.address, "environ": environ, "uid": uid}
            self.process.stdin.write(json.dumps(asked).encode() + b"\n")
            return listener.accept()

    def found(self) -> list[Path]:
        """What is in its directories for temporary files, if they are its own."""
        return [path for root in self._roots() for path in root.iterdir()]

    def clear(self) -> None:
        """Empty them."""
        subprocess.run(["find", *self._roots(), "-mindepth", "1", "-delete"], check=True)

    def _roots(self) -> list[Path]:
        return [Path(f"/proc/{self.process.pid}/root{path}") for path in PRIVATE]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Worker:
    """A worker.

    Parameters:
        server: Which it is one of.

    Attributes:
        pid: Its number here, whatever it is in its own namespace.
        setup_seconds: How long `setup_telemetry` took.
    """

    def __init__(self, server: "Server", connection: Connection) -> None:
        import socket
        import struct

        self.server = server
        self._connection = connection
        with socket.socket(fileno=os.dup(connection.fileno())) as peer:
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.pid = struct.unpack("3i", credentials)[0]
        self.setup_seconds = 0.0
        self.ended = False

    def begin(self, function, *args, **kwargs) -> None:
        """Have it run a function; `answer` waits for what that returns."""
        self._connection.send((function, args, kwargs))

    def answer(self, timeout: float = 30):
        assert self._connection.poll(timeout), "the worker does not answer"
        done, found = self._connection.recv()
        assert done, found
        return found

    def do(self, function, *args, timeout: float = 30, **kwargs):
        """Have it run a function, and return what that returns."""
        self.begin(function, *args, **kwargs)
        return self.answer(timeout)

    def record(self, registrations: int = 1, requests: int = 0) -> None:
        self.do(actions.record, registrations, requests)

    def ask(self, at_once: int = 1) -> list[actions.Answered]:
        """Scrape it."""
        return self.do(actions.get, actions.METRICS, at_once)

    def scrape(self) -> Scrape:
        """Scrape it; it must answer."""
        (answer,) = self.ask()
        assert answer.status == 200, answer.text
        return parse(answer.text)

    def registrations(self) -> float | None:
        """The total of users who have registered; None where it answers that it does not know."""
        (answer,) = self.ask()
        assert answer.status in {200, 503}
        return parse(answer.text).value(REGISTRATIONS) if answer.status == 200 else None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.gone()

    def end(self) -> None:
        """Have it exit in order."""
        self._connection.send(None)
        self.gone()

    def gone(self) -> None:
        until(lambda: not Path(f"/proc/{self.pid}").exists())
        self.ended = True
        self._connection.close()


class Server:
    """A server: a spawner and its workers.

    Parameters:
        spawner: The parent of its workers.
        environ: Of the workers.
        uid: The user that they are.
    """

    def __init__(self, spawner: Spawner, environ: dict[str, str], uid: int = 0) -> None:
        self.spawner = spawner
        self.environ = environ
        self.uid = uid
        self.workers: list[Worker] = []

    def process(self) -> Worker:
        """Start a worker without telemetry."""
        worker = Worker(self, self.spawner.fork(self.environ, self.uid))
        self.workers.append(worker)
        return worker

    def worker(self, **settings: object) -> Worker:
        """Start a worker."""
        worker = self.process()
        worker.setup_seconds = worker.do(actions.setup, **settings)
        return worker

    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.ended]

    def killed(self) -> None:
        for worker in self.running():
            worker.kill()


def within(seconds: float, server: Server, find: Callable[[], object], **wanted: object) -> None:
    """Call a function until it returns what is wanted; the workers of a server may take some seconds, see `Watch`."""
    watch = Watch(*(worker.pid for worker in server.running()))
    until(find, **wanted)
    assert watch.seconds() < seconds


def same_total(worker: Worker, total: float, seconds: float = HEAL_SECONDS) -> None:
    """Wait for a worker to answer with a total of registrations, at most some seconds, and until then with no more.

    Less is allowed: another worker may join later. A total must not fall.
    """
    seen: list[float] = [0]

    def found() -> bool:
        answer = worker.registrations()
        if answer is not None:
            assert seen[-1] <= answer <= total
            seen.append(answer)
        return answer == total

    within(seconds, worker.server, found)


@contextmanager
def watched(worker: Worker) -> Iterator[list[float | None]]:
    """Scrape a worker all the time: the totals of registrations, or None for an answer without.

    Answers that took so long that the worker gave up are left out: the machine was too slow.
    """
    seen: list[float | None] = []
    faults: list[BaseException] = []
    over = threading.Event()

    def watch() -> None:
        try:
            while not over.is_set():
                (answer,) = worker.ask()
                if answer.status == 200:
                    seen.append(parse(answer.text).value(REGISTRATIONS))
                elif answer.elapsed < GIVE_UP_SECONDS:
                    seen.append(None)
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    assert not faults, faults
    assert seen


@pytest.fixture(scope="session")
def spawner() -> Iterator[Spawner]:
    spawner = Spawner()
    yield spawner
    spawner.close()


@contextmanager
def serving(spawner: Spawner, environ: dict[str, str], uid: int = 0) -> Iterator[Server]:
    server = Server(spawner, environ, uid)
    try:
        yield server
    finally:
        server.killed()


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory in which every user can write, as /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="public-"))
    folder.chmod(0o1777)
    yield folder
    remove(folder)


@pytest.fixture
def folder(public) -> Path:
    """The directory that the workers are given."""
    return public / "workers"


@pytest.fixture
def server(spawner, folder) -> Iterator[Server]:
    """A server whose workers are given a directory."""
    with serving(spawner, {"WXIAI_OTEL_WORKERS_FOLDER": str(folder)}) as server:
        yield server


@pytest.fixture(scope="session")
def secluded() -> Iterator[Spawner]:
    """A spawner that shares no directory for temporary files with other processes of the machine."""
    mounts = " && ".join(f"mount -t tmpfs -o mode=1777 tmpfs {path}" for path in PRIVATE)
    spawner = Spawner("unshare", "--mount", "sh", "-c", f'{mounts} && exec "$0" "$@"')
    yield spawner
    spawner.close()


@pytest.fixture(params=[0, NOBODY], ids=["root", "unprivileged"])
def usual(request, secluded) -> Iterator[Server]:
    """A server as it is without settings: its workers choose a directory for temporary files."""
    with serving(secluded, {"TMPDIR": "/var/tmp"}, request.param) as server:
        yield server
    secluded.clear()
