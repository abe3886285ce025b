"""How each program is built from Go's modules. Nothing is fetched but modules, by the machine's own GOPROXY."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .go import find_go
from .programs import (
    ALERTMANAGER,
    COMPOSE,
    GOVULNCHECK,
    JAEGER,
    KUBECONFORM,
    KUSTOMIZE,
    MAILPIT,
    MANIFEST,
    OTELCOL,
    PINT,
    PROMETHEUS,
    SCHEMAS,
    VICTORIAMETRICS,
    Program,
)
from .progress import Build

_COMMON_VERSION = "github.com/prometheus/common/version.Version"


class Recipe:
    """What the recipes share: Go, a folder to work in, and the folder that the binaries go to.

    Parameters:
        program: What is built.
        build: Runs the commands.
        go: The go command.
        target: Where the binaries go.
    """

    def __init__(self, program: Program, build: Build, go: Path, target: Path) -> None:
        self.program = program
        self._build = build
        self._go = go
        self.target = target
        self.work = target / "work"
        self.work.mkdir()
        path = os.pathsep.join((str(go.parent), os.environ.get("PATH", os.defpath)))
        self._environ = {
            **os.environ,
            "PATH": path,
            "GOBIN": str(target),
            "GOWORK": "off",
            # The Go found is new enough; another one would be a download.
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }

    def go(self, *arguments: str | Path, folder: Path | None = None) -> str:
        """Run Go."""
        return self.run(self._go, *arguments, folder=folder)

    def run(self, *command: str | Path, folder: Path | None = None) -> str:
        """Run a command of the build."""
        return self._build.run(command, folder or self.work, self._environ)


def make(program: Program, cache: Path, target: Path) -> None:
    """Build a program into an empty folder."""
    go = find_go(cache)
    build = Build(f"{program.name} {program.version}", program.minutes, cache / f"{program.key}.log")
    recipe = Recipe(program, build, go, target)
    _RECIPES[program.name](recipe)
    # Go's own files are read-only.
    _remove(recipe.work)
    build.done()


def _otelcol(recipe: Recipe) -> None:
    version = recipe.program.version
    recipe.go("install", "-v", f"go.opentelemetry.io/collector/cmd/builder@v{version}")
    builder = recipe.target / "builder"
    recipe.run(builder, "--config", MANIFEST, "--output-path", recipe.work / "otelcol", "--verbose")
    (recipe.work / "otelcol" / "otelcol").rename(recipe.target / "otelcol")
    builder.unlink()


def _as_requirement(recipe: Recipe, module: str, *arguments: str) -> None:
    """Build commands of a module that has replacements of its own, so that ``go install`` refuses it."""
    program = recipe.program
    _require(recipe, module)
    recipe.go(
        *("build", "-v", "-mod=mod", "-ldflags", f"-s -w -X {_COMMON_VERSION}={program.version}", *arguments),
        *("-o", str(recipe.target)),
        *(f"{module}/cmd/{binary}" for binary in program.binaries),
    )


def _require(recipe: Recipe, module: str) -> None:
    (recipe.work / "go.mod").write_text(f"module build\n\nrequire {module} {recipe.program.module}\n")


def _prometheus(recipe: Recipe) -> None:
    # Without the discovery of clouds, which is most of its dependencies.
    _as_requirement(recipe, "github.com/prometheus/prometheus", "-tags", "remove_all_sd")


def _alertmanager(recipe: Recipe) -> None:
    _as_requirement(recipe, "github.com/prometheus/alertmanager")


def _downloaded(recipe: Recipe, module: str) -> Path:
    """The folder of a module."""
    told = recipe.go("mod", "download", "-json", module)
    return Path(json.loads(told[told.index("{") :])["Dir"])


def _inside(recipe: Recipe, module: str, version: str, commands: str = "cmd") -> None:
    """Build inside the module, with its own go.sum; ``version`` is what the linker sets."""
    program = recipe.program
    source = recipe.work / program.name
    shutil.copytree(_downloaded(recipe, f"{module}@{program.module}"), source)
    for path in (source, *source.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    recipe.go(
        *("build", "-v", "-ldflags", f"-s -w -X {version}"),
        *("-o", str(recipe.target)),
        *(f"./{commands}/{binary}" for binary in program.binaries),
        folder=source,
    )


def _jaeger(recipe: Recipe) -> None:
    module = "github.com/jaegertracing/jaeger"
    _inside(recipe, module, f"{module}/internal/version.latestVersion=v{recipe.program.version}")


def _pint(recipe: Recipe) -> None:
    _inside(recipe, "github.com/cloudflare/pint", f"main.version={recipe.program.version}")


def _victoriametrics(recipe: Recipe) -> None:
    module = "github.com/VictoriaMetrics/VictoriaMetrics"
    _inside(recipe, module, f"{module}/lib/buildinfo.Version=v{recipe.program.version}", "app")


def _compose(recipe: Recipe) -> None:
    module = "github.com/docker/compose/v2"
    _require(recipe, module)
    version = f"-s -w -X {module}/internal.Version=v{recipe.program.version}"
    recipe.go(*("build", "-v", "-mod=mod", "-ldflags", version, "-o", str(recipe.target / "compose"), f"{module}/cmd"))


def _mailpit(recipe: Recipe) -> None:
    module = "github.com/axllent/mailpit"
    version = f"-s -w -X {module}/config.Version=v{recipe.program.version}"
    recipe.go("install", "-v", "-ldflags", version, f"{module}@{recipe.program.module}")


def _govulncheck(recipe: Recipe) -> None:
    recipe.go("install", "-v", f"golang.org/x/vuln/cmd/govulncheck@{recipe.program.module}")


def _kustomize(recipe: Recipe) -> None:
    recipe.go("install", "-v", f"sigs.k8s.io/kustomize/kustomize/v5@{recipe.program.module}")


def _kubeconform(recipe: Recipe) -> None:
    """With the schemas beside it, as their projects publish them."""
    program = recipe.program
    module = "github.com/yannh/kubeconform/cmd/kubeconform"
    recipe.go("install", "-v", "-ldflags", f"-s -w -X main.version=v{program.version}", f"{module}@{program.module}")
    kubernetes = _downloaded(recipe, f"k8s.io/kubernetes@{SCHEMAS['kubernetes']}")
    shutil.copyfile(kubernetes / "api" / "openapi-spec" / "swagger.json", recipe.target / "kubernetes.json")
    operator = _downloaded(recipe, f"github.com/prometheus-operator/prometheus-operator@{SCHEMAS['operator']}")
    for path in (operator / "example" / "prometheus-operator-crd").glob("monitoring.coreos.com_*.yaml"):
        shutil.copyfile(path, recipe.target / path.name)


def _remove(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


_RECIPES: dict[str, Callable[[Recipe], None]] = {
    OTELCOL.name: _otelcol,
    PROMETHEUS.name: _prometheus,
    ALERTMANAGER.name: _alertmanager,
    JAEGER.name: _jaeger,
    MAILPIT.name: _mailpit,
    PINT.name: _pint,
    COMPOSE.name: _compose,
    GOVULNCHECK.name: _govulncheck,
    VICTORIAMETRICS.name: _victoriametrics,
    KUSTOMIZE.name: _kustomize,
    KUBECONFORM.name: _kubeconform,
}
