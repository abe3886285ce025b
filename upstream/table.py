"""The table of expected differences, and its documentation page."""

import tomllib
from pathlib import Path

from .outcomes import Expected

TABLE = Path(__file__).parent / "differences.toml"
_KEYS = {"suite", "tests", "reason", "variants"}


def expected(path: Path = TABLE) -> list[Expected]:
    """Read the table.

    Raises:
        ValueError: An entry has no reason or an unknown key.
    """
    entries = []
    for entry in tomllib.loads(path.read_text()).get("difference", []):
        if not entry.get("reason") or not {"suite", "tests"} <= entry.keys() <= _KEYS:
            raise ValueError(f"{path.name}: expected suite, tests, reason and optional variants, got {entry}")
        entries.append(Expected(entry["suite"], entry["tests"], entry["reason"], tuple(entry.get("variants", ()))))
    return entries


_PAGE = """\
# Test suites of other projects

Run the test suites of FastAPI, Starlette, uvicorn, SQLAlchemy, SQLModel and redis-py without and with telemetry:

```console
$ scripts/upstream                # the quick part, as scripts/test does
$ scripts/upstream --all          # whole suites in every variant, before a release
$ scripts/upstream redis --verbose
```

The script downloads the source distributions of the installed versions, runs their tests against the installed packages,
and compares each test's outcome. A test that differs runs again, three times without and three times with telemetry, before it
counts. Exit status 3 means that the package index cannot be reached. The script fails if:

- a difference is not in the [table](#expected-differences), or an entry there no longer differs;
- a fault occurs inside the package;
- telemetry recorded nothing.

## How telemetry is set up

| the suite has | what it gets |
|---|---|
| FastAPI applications | `setup_telemetry(app)` for each |
| Starlette applications, raw ASGI applications in Starlette's `TestClient` and behind uvicorn | the layer that `setup_telemetry` puts around a FastAPI application's middleware stack. They are not mounted in a FastAPI application, because that would answer some requests itself. |
| SQLAlchemy engines and redis-py clients | `setup_telemetry(service_name="upstream")`, once for each process |

Health checks and polls run every 0.1 s.

| variant | settings |
|---|---|
| `memory` | no export |
| `export` | spans, metrics and log records go to an OTLP receiver on loopback; every trace is kept |
| `export-contrib` | `export` with `http_engine="contrib"`; FastAPI only |

## What does not run

| suite | left out | reason |
|---|---|---|
| SQLAlchemy | `test/aaa_profiling`, `test/perf`, and tests that measure memory or time | They count calls, objects and references of the interpreter. |
| SQLAlchemy | `test/typing`, `test/ext/mypy` | They run type checkers. |
| SQLAlchemy on PostgreSQL | all but `test/engine`, `test/dialect/postgresql` and `test/dialect/test_suite.py` | The other tests run on SQLite. |
| redis-py | cluster, Sentinel, TLS, modules, and scenarios | They need servers that the environment does not have. |

## Expected differences

| suite | tests | reason |
|---|---|---|
"""


def page() -> str:
    """Return the documentation page."""
    return _PAGE + "".join(f"{row}\n" for row in rows())


def rows() -> list[str]:
    """Return the table's rows in Markdown. Entries with the same reason share a row."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for entry in expected():
        variants = f" ({', '.join(entry.variants)})" if entry.variants else ""
        by_reason.setdefault((entry.suite, entry.reason), []).append(f"`{entry.tests}`{variants}")
    return [f"| {suite} | {'<br>'.join(tests)} | {reason} |" for (suite, reason), tests in by_reason.items()]
