"""A Docker daemon of the tests' own, since its images have official names and are not the official ones."""

import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tarfile import SYMTYPE, TarFile, TarInfo

from tests.until import until

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
        self.host = host
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
    asked = partial(subprocess.run, ["docker", "version"], env=found.environ, capture_output=True, check=False)
    with suppress(AssertionError):
        until(lambda: process.poll() is not None or asked().returncode == 0, READY_SECONDS)
    if asked().returncode:
        said = log.read_text(errors="replace").strip().splitlines()
        raise NoDockerError(f"dockerd does not run: {said[-1] if said else 'it said nothing'}")


def _probe(found: Docker, folder: Path) -> None:
    """A container with what docker-compose.yml asks for: overlay, cgroups, a network with a published port."""
    try:
        with importing(found, folder, "probe", ["/bin/busybox"]) as archive:
            add_busybox(archive)
        found("network", "create", "probe")
        limits = ("--memory=64m", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
        found("run", "--rm", "--network=probe", "--publish=127.0.0.1::80", *limits, "probe", "true")
        found("network", "rm", "probe")
    except AssertionError as error:
        raise NoDockerError(f"containers do not run: {str(error).strip().splitlines()[-1]}") from None


@contextmanager
def importing(docker: Docker, folder: Path, tag: str, entrypoint: list[str]) -> Iterator[TarFile]:
    """Make an image of the files that the block adds; quicker than a build, which runs containers."""
    file = folder / "image.tar"
    with TarFile(file, "w") as archive:
        yield archive
    docker("import", f"--change=ENTRYPOINT {json.dumps(entrypoint)}", file, tag)
    file.unlink()


def add_text(archive: TarFile, path: str, text: str) -> None:
    content = text.encode()
    made = TarInfo(path.strip("/"))
    made.size, made.mode = len(content), 0o644
    archive.addfile(made, io.BytesIO(content))


def add_link(archive: TarFile, path: str, to: str) -> None:
    link = TarInfo(path.strip("/"))
    link.type, link.linkname, link.mode = SYMTYPE, to, 0o777
    archive.addfile(link)


def add_busybox(archive: TarFile) -> None:
    """Add a shell and its tools."""
    program = str(shutil.which("busybox"))
    archive.add(os.path.realpath(program), "/bin/busybox")
    for name in subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if name != "busybox":
            add_link(archive, f"/bin/{name}", "busybox")
