"""The programs of the pipeline: their versions, binaries, and how each binary tells its version."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "collector" / "builder.yaml"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is built from source.

    Parameters:
        name: Its name, that of its first binary.
        version: As the project names its releases.
        module: The same version as Go's module has it.
        binaries: What one build makes.
        ask: Arguments that have a binary print its version.
        minutes: How long a build takes on two cores from an empty cache.
        digest: Of what else decides on the binary.
    """

    name: str
    version: str
    module: str
    binaries: tuple[str, ...]
    ask: tuple[str, ...]
    minutes: float
    digest: str = ""

    @property
    def key(self) -> str:
        """The folder in the cache."""
        return "-".join(filter(None, (self.name, self.version, self.digest)))

    def is_version(self, output: str) -> bool:
        """Whether a binary that prints this is of the version wanted."""
        return re.search(rf"(?<![\d.])v?{re.escape(self.version)}(?![\d.])", output) is not None


def _versions() -> dict[str, dict[str, str]]:
    read = tomllib.loads(Path(__file__).with_name("versions.toml").read_text())
    return {name: value for name, value in read.items() if isinstance(value, dict)}


def minimum_go() -> tuple[int, ...]:
    """The oldest Go that builds all of them."""
    read = tomllib.loads(Path(__file__).with_name("versions.toml").read_text())
    return tuple(int(part) for part in read["go"].split("."))


def _program(name: str, binaries: tuple[str, ...], ask: tuple[str, ...], minutes: float, digest: str = "") -> Program:
    version = _versions()[name]
    return Program(name, version["version"], version.get("module", ""), binaries, ask, minutes, digest)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


OTELCOL = _program("otelcol", ("otelcol",), ("--version",), 3, _digest(MANIFEST))
PROMETHEUS = _program("prometheus", ("prometheus", "promtool"), ("--version",), 2.5)
ALERTMANAGER = _program("alertmanager", ("alertmanager", "amtool"), ("--version",), 0.5)
JAEGER = _program("jaeger", ("jaeger",), ("version",), 4.5)
MAILPIT = _program("mailpit", ("mailpit",), ("version", "--no-release-check"), 0.6)
PINT = _program("pint", ("pint",), ("version",), 0.6)
COMPOSE = _program("compose", ("compose",), ("version",), 2)
GOVULNCHECK = _program("govulncheck", ("govulncheck",), ("-version",), 0.5)
VICTORIAMETRICS = _program("victoriametrics", ("victoria-metrics", "vmalert", "vmalert-tool"), ("--version",), 0.5)
KUSTOMIZE = _program("kustomize", ("kustomize",), ("version",), 0.5)
SCHEMAS = {name: _versions()["kubeconform"][name] for name in ("kubernetes", "operator")}
KUBECONFORM = _program("kubeconform", ("kubeconform",), ("-v",), 0.3, "-".join(SCHEMAS.values()))

PROGRAMS = {
    program.name: program
    for program in (
        *(OTELCOL, PROMETHEUS, ALERTMANAGER, JAEGER, MAILPIT),
        *(PINT, COMPOSE, GOVULNCHECK, VICTORIAMETRICS, KUSTOMIZE, KUBECONFORM),
    )
}
OF_BINARY = {binary: program for program in PROGRAMS.values() for binary in program.binaries}
