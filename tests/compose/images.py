"""Stand-ins of the images that docker-compose.yml names: no registry is to be had where the tests run.

Under each official name and tag is the native stack's binary of the same version, where the official image has it, run
as that one runs it. Grafana cannot be had at all: what answers in its place has its health endpoint and no more.
"""

import os
from pathlib import Path
from tarfile import TarFile

import yaml

from stack.binaries import find
from stack.programs import ROOT
from tests.compose.daemon import Docker, add_busybox, add_link, add_text, importing
from tests.compose.debian import add_packages, pip_folder, python_of_debian

# The programs of each image that has nothing but them, and perhaps a shell's tools; the first is what it runs.
_STATIC = {
    "collector": {"/otelcol-contrib": "otelcol"},
    "jaeger": {"/cmd/jaeger/jaeger-linux": "jaeger"},
    "prometheus": {"/bin/prometheus": "prometheus", "/bin/promtool": "promtool"},
    "alertmanager": {"/bin/alertmanager": "alertmanager"},
    "mailpit": {"/mailpit": "mailpit"},
}
_WITHOUT_TOOLS = {"collector"}
_GRAFANA = ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]
# Of the official ones.
_USERS = "root:x:0:0::/root:/bin/sh\nredis:x:999:999::/tmp:/bin/sh\n"
# As the official one: the database and its password at the first start.
_ENTRYPOINT = """\
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \\
    --auth-local=trust --auth-host=scram-sha-256 --locale=C -E UTF8
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -E postgres
fi
exec postgres -c listen_addresses='*' -k /var/run/postgresql
"""
_PACKAGES = ("python3", "redis-server", "postgresql-15", "dash", "coreutils", "libc-bin", "ca-certificates", "openssl")
_POSTGRESQL = [
    "ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data",
    "STOPSIGNAL SIGINT",
    'ENTRYPOINT ["/bin/sh", "/entrypoint"]',
]


def tags() -> dict[str, str]:
    """The images of docker-compose.yml that are other people's, by service."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: service["image"] for name, service in services.items() if service["image"] != ours()}


def build_all(docker: Docker, folder: Path, python_image: str) -> None:
    """Make all stand-ins, and build the Dockerfile on top of that of Python."""
    wanted = tags()
    for name, programs in _STATIC.items():
        with importing(docker, folder, wanted[name], [next(iter(programs))]) as archive:
            for path, program in programs.items():
                archive.add(find(program), path)
            if name not in _WITHOUT_TOOLS:
                add_busybox(archive)
    with importing(docker, folder, wanted["grafana"], _GRAFANA) as archive:
        add_busybox(archive)
        add_text(archive, "/www/api/health", '{"database":"ok"}')
    with importing(docker, folder, "debian-here", ["/bin/sh"]) as archive:
        add_packages(archive, _PACKAGES)
        add_text(archive, "/etc/passwd", _USERS)
        add_text(archive, "/entrypoint", _ENTRYPOINT)
        variables = _add_pip(archive)
    # These differ in no file.
    _derive(docker, folder, wanted["redis"], ['ENTRYPOINT ["/usr/bin/env"]'])
    _derive(docker, folder, wanted["postgresql"], _POSTGRESQL)
    _derive(docker, folder, python_image, ["ENTRYPOINT []", *variables])
    build_ours(docker, ROOT)


def build_ours(docker: Docker, folder: Path) -> None:
    """Build the image of a Dockerfile, the repository's or one that ``wxiai-otel init`` has written."""
    # Whatever the machine's package index is, it is reached from the machine's network.
    indexes = [f"--build-arg={name}" for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST") if name in os.environ]
    docker("build", "--quiet", "--network=host", *indexes, f"--tag={ours()}", folder)


def ours() -> str:
    """The image that the Dockerfile makes."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["bridge"]["image"]


def _derive(docker: Docker, folder: Path, tag: str, lines: list[str]) -> None:
    (folder / "Dockerfile").write_text("\n".join(["FROM debian-here", *lines]))
    with (folder / "Dockerfile").open() as file:
        docker("build", "--quiet", f"--tag={tag}", "-", stdin=file)


def _add_pip(archive: TarFile) -> list[str]:
    """Make Debian's Python what the official image's is, with pip as this machine is set up for it."""
    archive.add(pip_folder(), f"/usr/local/lib/python{python_of_debian()}/dist-packages/pip")
    add_link(archive, "/usr/local/bin/python", "/usr/bin/python3")
    lines = ["ENV PATH=/usr/local/bin:/usr/bin:/bin"]
    certificates = os.environ.get("PIP_CERT", "")
    for file in ("/etc/pip.conf", certificates):
        if file and Path(file).is_file():
            archive.add(os.path.realpath(file), file)
    return [*lines, f"ENV PIP_CERT={certificates}"] if certificates else lines
