"""A Docker daemon of the tests' own, since its images have official names and are not the official ones."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 60
END_SECONDS = 60


class NoDockerError(Exception):
    """No daemon can run on this machine; why."""


class Docker:
    """A running daemon.

    Parameters:
        host: Its address.
    """

    def __init__(self, host: str) -> None:
        self.environ = {**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}

    def __call__(self, *arguments: str | Path, **options) -> str:
        """Run the command; what it has printed."""
        return run("docker", *arguments, env=self.environ, **options)


def run(*command: str | Path, env: dict[str, str], **options) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout


@contextmanager
def docker() -> Iterator[Docker]:
    """Run a daemon until the block ends.

    Raises:
        NoDockerError: It does not start here, or cannot limit a container's memory.
    """
    missing = [
        name for name in ("dockerd", "docker", "iptables", "busybox", "dpkg-query") if shutil.which(name) is None
    ]
    if missing or os.geteuid() != 0:
        raise NoDockerError(f"not installed: {', '.join(missing)}" if missing else "dockerd needs root")
    # Not in pytest's folder: a socket's path must be short, and what containers write is theirs.
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    host = f"unix://{folder}/socket"
    command = ["dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            # Its networks are those that compose makes; the usual bridge may be another daemon's.
            [*command, f"--host={host}", "--bridge=none", "--log-level=warn"],
            stdout=log,
            stderr=log,
        )
    try:
        found = Docker(host)
        _until_ready(process, found, folder / "log")
        _probe(found, folder)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # dockerd leaves it mounted.
        subprocess.run(["umount", folder / "exec" / "netns" / "default"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _until_ready(process: subprocess.Popen, found: Docker, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run(["docker", "version"], env=found.environ, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip().splitlines()
            raise NoDockerError(f"dockerd does not run: {said[-1] if said else 'it said nothing'}")
        time.sleep(0.2)


def _probe(found: Docker, folder: Path) -> None:
    """A container with what docker-compose.yml asks for: overlay, cgroups, a network with a published port."""
    (folder / "probe").mkdir()
    shutil.copy(shutil.which("busybox"), folder / "probe" / "busybox")
    (folder / "probe" / "Dockerfile").write_text("FROM scratch\nCOPY busybox /busybox\n")
    try:
        found("build", "--quiet", "--tag=probe", folder / "probe")
        found("network", "create", "probe")
        limits = ("--memory=64m", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
        found("run", "--rm", "--network=probe", "--publish=127.0.0.1::80", *limits, "probe", "/busybox", "true")
        found("network", "rm", "probe")
    except AssertionError as error:
        raise NoDockerError(f"containers do not run: {str(error).strip().splitlines()[-1]}") from None
