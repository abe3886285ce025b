"""Stand-ins of the images that docker-compose.yml names: no registry is to be had where the tests run.

Under each official name and tag is the native stack's binary of the same version, where the official image has it, run
as that one runs it. Grafana cannot be had at all: what answers in its place has its health endpoint and no more.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from stack.binaries import find
from stack.programs import ROOT
from tests.compose.daemon import Docker
from tests.compose.debian import pip_folder, python_of_debian, root_filesystem

_WITH_TOOLS = 'COPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
_STATIC = {
    "collector": ("otelcol", "COPY otelcol /otelcol-contrib\n", '["/otelcol-contrib"]'),
    "jaeger": ("jaeger", f"{_WITH_TOOLS}COPY jaeger /cmd/jaeger/jaeger-linux\n", '["/cmd/jaeger/jaeger-linux"]'),
    "prometheus": (
        "prometheus promtool",
        f"{_WITH_TOOLS}COPY prometheus promtool /bin/\n",
        '["/bin/prometheus"]',
    ),
    "alertmanager": ("alertmanager", f"{_WITH_TOOLS}COPY alertmanager /bin/\n", '["/bin/alertmanager"]'),
    "mailpit": ("mailpit", f"{_WITH_TOOLS}COPY mailpit /mailpit\n", '["/mailpit"]'),
}
_GRAFANA = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /www/api && echo '{"database":"ok"}' > /www/api/health
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]
"""
# The official ones' users.
_USERS = "root:x:0:0::/root:/bin/sh\n{name}:x:999:999::/tmp:/bin/sh\n"
_REDIS = 'FROM debian-here\nCOPY passwd /etc/passwd\nENTRYPOINT ["/usr/bin/env"]\n'
_POSTGRESQL = """\
FROM debian-here
COPY passwd /etc/passwd
COPY entrypoint /entrypoint
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh", "/entrypoint"]
"""
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
PACKAGES = ("python3", "redis-server", "postgresql-15", "dash", "coreutils", "libc-bin", "ca-certificates", "openssl")


def tags() -> dict[str, str]:
    """The images of docker-compose.yml that are other people's, by service."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: service["image"] for name, service in services.items() if service["image"] != ours()}


def build_all(docker: Docker, folder: Path, python_image: str) -> None:
    """Build all stand-ins, and the Dockerfile on top of that of Python."""
    wanted = tags()
    for name, (binaries, lines, entrypoint) in _STATIC.items():
        files = {binary: find(binary) for binary in binaries.split()}
        _build(docker, folder, wanted[name], f"FROM scratch\n{lines}ENTRYPOINT {entrypoint}\n", files)
    _build(docker, folder, wanted["grafana"], _GRAFANA, {})
    root_filesystem(folder / "root.tar", PACKAGES)
    docker("import", folder / "root.tar", "debian-here")
    (folder / "root.tar").unlink()
    _build(docker, folder, wanted["redis"], _REDIS, {"passwd": _USERS.format(name="redis")})
    files = {"passwd": _USERS.format(name="postgres"), "entrypoint": _ENTRYPOINT}
    _build(docker, folder, wanted["postgresql"], _POSTGRESQL, files)
    _build(docker, folder, python_image, *_python())
    build_ours(docker, ROOT)


def build_ours(docker: Docker, folder: Path) -> None:
    """Build the image of a Dockerfile, the repository's or one that ``wxiai-otel init`` has written."""
    # Whatever the machine's package index is, it is reached from the machine's network.
    indexes = [f"--build-arg={name}" for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST") if name in os.environ]
    docker("build", "--quiet", "--network=host", *indexes, f"--tag={ours()}", folder)


def ours() -> str:
    """The image that the Dockerfile makes."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["bridge"]["image"]


def _python() -> tuple[str, Mapping[str, str | Path]]:
    """Debian's Python where the official image has its own, with pip as this machine is set up for it."""
    packages = f"/usr/local/lib/python{python_of_debian()}/dist-packages/pip"
    files: dict[str, str | Path] = {"pip": pip_folder()}
    lines = [
        "FROM debian-here",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
        f"COPY pip {packages}",
        "RUN mkdir -p /usr/local/bin && ln -s /usr/bin/python3 /usr/local/bin/python",
        # The official image's Python is nobody's but pip's.
        "RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED",
    ]
    for name, file in (("pip.conf", "/etc/pip.conf"), ("certificates", os.environ.get("PIP_CERT", ""))):
        if file and Path(file).is_file():
            files[name] = Path(file)
            lines.append(f"COPY {name} {file}")
            lines += [f"ENV PIP_CERT={file}"] if name == "certificates" else []
    return "\n".join([*lines, ""]), files


def _build(docker: Docker, folder: Path, tag: str, dockerfile: str, files: Mapping[str, str | Path]) -> None:
    context = folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(dockerfile)
    for name, content in {**files, "busybox": Path(shutil.which("busybox") or "")}.items():
        if isinstance(content, str):
            (context / name).write_text(content)
        elif content.is_dir():
            shutil.copytree(content, context / name)
        else:
            shutil.copy(content, context / name)
    docker("build", "--quiet", f"--tag={tag}", context)
    shutil.rmtree(context)
