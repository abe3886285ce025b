"""Runs of a suite: without telemetry, whose outcomes are cached, and with it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UpstreamError
from .outcomes import Run
from .servers import server
from .sources import ROOT, add_installed, cache, source
from .suites import PATH, SUITES, Suite

_LOCK = ROOT / "requirements" / "upstream.txt"
# Time limits of one run of a suite and of one test, in seconds.
_RUN_SECONDS = 3_600
_TEST_SECONDS = 60
_PROCESSES = 2
_TESTS_FAILED = (0, 1)


@dataclass
class Recorded:
    """A summary of the telemetry of a run.

    Attributes:
        samples: Requests, statements, commands and exports by metric name.
        faults: Exceptions inside the package that were kept from the application, by site.
        texts: The ends of their tracebacks.
    """

    samples: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)


def without_telemetry(suite: Suite, paths: Sequence[str]) -> Run:
    """Return the outcomes without telemetry, cached if the same tests have run in this environment."""
    made_of = (*paths, *suite.options, *suite.plugins, sys.version, _LOCK.read_text())
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
    path = cache() / "outcomes" / f"{suite.name}-{key}.json"
    if not path.exists():
        run, _ = run_tests(suite, paths)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"outcomes": run.outcomes, "reasons": {}}))
        part.rename(path)
    return Run.read(path)


def run_tests(suite: Suite, paths: Sequence[str], settings: Mapping[str, object] | None = None) -> tuple[Run, Recorded]:
    """Run tests of a suite.

    Parameters:
        suite: The suite.
        paths: Paths or test ids.
        settings: Arguments of `setup_telemetry`; ``None`` runs without telemetry.

    Raises:
        UpstreamError: pytest did not run the tests.
    """
    with tempfile.TemporaryDirectory(prefix="upstream-") as name, server(suite.server) as options:
        folder = Path(name)
        outcomes, recorded, chosen = folder / "outcomes.json", folder / "recorded", folder / "chosen"
        recorded.mkdir()
        # Tests may write files beside themselves, in the directory that the baseline also reads.
        tree = folder / "source"
        shutil.copytree(source(suite), tree, symlinks=True)
        add_installed(suite, tree)
        chosen.write_text("\n".join(paths))
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "WXIAI_OTEL_", "PYTEST_"))
        }
        environ |= {
            "PYTHONPATH": _python_path(folder),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "UPSTREAM_OUTCOMES": str(outcomes),
        }
        plugins = ["xdist", "xdist.looponfail", "timeout", *suite.plugins, "upstream_outcomes"]
        if settings is not None:
            plugins.append("upstream_telemetry")
            environ["UPSTREAM_SETTINGS"] = json.dumps({"workers_folder": f"{folder}/workers", **settings})
            environ["UPSTREAM_RECORDED"] = str(recorded)
        processes = _PROCESSES if suite.parallel else 0
        command = [sys.executable, "-m", "pytest", "-q", f"--timeout={_TEST_SECONDS}", "-n", str(processes)]
        command += [part for plugin in plugins for part in ("-p", plugin)]
        command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", *suite.options, *options, f"@{chosen}"]
        done = subprocess.run(
            command, cwd=tree, env=environ, capture_output=True, text=True, check=False, timeout=_RUN_SECONDS
        )
        if done.returncode not in _TESTS_FAILED or not outcomes.exists():
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise UpstreamError(f"pytest did not run the tests of {suite.name} (status {done.returncode}):\n{tail}")
        return Run.read(outcomes), _recorded(recorded)


def _python_path(folder: Path) -> str:
    """Return an import path with the package and the plugins, but without the tests of this repository."""
    path = folder / "path"
    path.mkdir()
    (path / "wxiai_otel").symlink_to(ROOT / "wxiai_otel")
    for plugin in PATH.glob("*.py"):
        (path / plugin.name).symlink_to(plugin)
    return str(path)


def _recorded(folder: Path) -> Recorded:
    found = Recorded()
    for path in folder.glob("*.json"):
        written = json.loads(path.read_text())
        found.samples.update(written["recorded"])
        found.faults.update(written["faults"])
        found.texts += written["texts"]
    return found


@contextmanager
def sink() -> Iterator[str]:
    """Run an OTLP receiver on loopback that accepts everything, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def variants(suite: Suite, endpoint: str) -> dict[str, dict[str, object]]:
    """Return the settings of each variant, by its name.

    Background work runs at short intervals, to expose its effects on the application's connections.
    """
    often: dict[str, object] = {"state_redis": "memory", "health_interval": 0.1, "redis_poll_interval": 0.1}
    export = {
        **often,
        "otlp_endpoint": endpoint,
        "logs_exporter": "otlp",
        "metric_export_interval": 0.5,
        "trace_share": 1.0,
    }
    found = {"memory": often, "export": export}
    return found | {f"export-{engine}": {**export, "http_engine": engine} for engine in suite.engines[1:]}


def named(names: Sequence[str]) -> list[Suite]:
    """Return the suites with these names, or all suites if there are no names."""
    return [suite for suite in SUITES if not names or suite.name in names]
