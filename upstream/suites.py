"""The test suites, and how to run them."""

from dataclasses import dataclass
from pathlib import Path

_STATEMENTS = "db_query_duration_seconds_count"
_CODSPEED = "codspeed"


@dataclass(frozen=True)
class Suite:
    """A project's test suite.

    Attributes:
        name: The distribution's name, with a suffix after "@" if the same tests run against another server.
        package: The path of the package in the source distribution. The installed package replaces it.
        tests: Paths of the whole suite.
        quick: Paths of the part that `scripts/test` runs; empty for none.
        plugins: Entry points of the pytest plugins that the suite needs. No others are loaded.
        options: Further arguments of pytest.
        server: The server that the tests connect to: "redis", "postgresql" or empty.
        parallel: Whether the tests can run in several processes.
        engines: The values of the setting http_engine to run with.
        records: The metric that shows that telemetry saw the tests.
    """

    name: str
    package: str
    tests: tuple[str, ...] = ("tests",)
    quick: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    server: str = ""
    parallel: bool = True
    engines: tuple[str, ...] = ("native",)
    records: str = "http_requests_total"

    @property
    def distribution(self) -> str:
        """The name of the distribution on the package index."""
        return self.name.partition("@")[0]

    def paths(self, *, whole: bool) -> tuple[str, ...]:
        """Return the paths of the whole suite or of its quick part."""
        return self.tests if whole else self.quick


def _without(*paths: str) -> tuple[str, ...]:
    return tuple(f"--ignore={path}" for path in paths)


# These tests measure the interpreter: calls, memory and references.
_SQLALCHEMY = (
    *_without("test/aaa_profiling", "test/perf", "test/typing", "test/ext/mypy"),
    "-m",
    "not memory_intensive and not mypy and not timing_intensive",
    "--maxfail=100000",
)
# The environment has no server with modules, TLS or a cluster.
_REDIS = (
    *_without(
        *(
            f"{folder}/{name}"
            for folder in ("tests", "tests/test_asyncio")
            for name in (
                "test_scenario",
                "test_bloom.py",
                "test_cluster.py",
                "test_cluster_transaction.py",
                "test_json.py",
                "test_search.py",
                "test_sentinel.py",
                "test_ssl.py",
                "test_timeseries.py",
                "test_cwe_404.py",
            )
        ),
    ),
    "-m",
    "not redismod and not onlycluster and not ssl and not cp_integration and not multidb_integration and not replica",
)

SUITES = (
    Suite(
        "fastapi",
        "fastapi",
        quick=(
            "tests/test_dependency_contextmanager.py",
            "tests/test_exception_handlers.py",
            "tests/test_tutorial/test_background_tasks",
            "tests/test_tutorial/test_custom_response",
            "tests/test_tutorial/test_dependencies",
            "tests/test_tutorial/test_events",
            "tests/test_tutorial/test_middleware",
            "tests/test_tutorial/test_sql_databases",
            "tests/test_tutorial/test_sub_applications",
            "tests/test_tutorial/test_websockets",
            "tests/test_ws_dependencies.py",
            "tests/test_ws_router.py",
        ),
        plugins=("anyio", "inline_snapshot", _CODSPEED),
        engines=("native", "contrib"),
    ),
    Suite("starlette", "starlette", quick=("tests",), plugins=("anyio", _CODSPEED)),
    Suite(
        "uvicorn",
        "uvicorn",
        quick=("tests/protocols",),
        plugins=("anyio", "pytest_mock", _CODSPEED),
    ),
    Suite(
        "sqlalchemy",
        "lib/sqlalchemy",
        tests=("test",),
        quick=("test/engine",),
        options=_SQLALCHEMY,
        records=_STATEMENTS,
    ),
    Suite(
        "sqlalchemy@postgresql",
        "lib/sqlalchemy",
        tests=("test/engine", "test/dialect/postgresql", "test/dialect/test_suite.py"),
        options=_SQLALCHEMY,
        records=_STATEMENTS,
        server="postgresql",
    ),
    Suite("sqlmodel", "sqlmodel", plugins=("anyio",), records=_STATEMENTS),
    Suite(
        "redis",
        "redis",
        quick=(
            "tests/test_pipeline.py",
            "tests/test_lock.py",
            "tests/test_scripting.py",
            "tests/test_connection_pool.py",
            "tests/test_asyncio/test_pipeline.py",
            "tests/test_asyncio/test_lock.py",
        ),
        plugins=("asyncio",),
        options=_REDIS,
        server="redis",
        parallel=False,
        records="cache_operations_total",
    ),
)

PATH = Path(__file__).parent / "path"
