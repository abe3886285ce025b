"""The last measurements of a process are exported, however it ends."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent
from weakref import ref

import pytest

from tests.internals import exits, runtime
from tests.otlp import http_receiver
from wxiai_otel import setup_telemetry

PROGRAM = """
import os, sys
from wxiai_otel import record_user_registration, setup_telemetry

def record(*_):
    record_user_registration()

setup_telemetry(service_name="w", metric_export_interval=60, state_redis="memory")
if __name__ == "__main__":
{ending}
"""

WORK = """
import atexit, multiprocessing, time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

def work(*_):
    time.sleep(0.3); record()
"""

# How many are recorded, and how.
ENDINGS = {
    "the main thread returns": (1, "record()"),
    "sys.exit": (1, "record(); sys.exit(3)"),
    "an exception": (1, "record(); raise SystemExit('done')"),
    "os.fork and sys.exit": (2, "child = os.fork(); record(); child and os.waitpid(child, 0)"),
    "two generations of os.fork": (
        3,
        "child = os.fork()\nif not child: child = os.fork()\nrecord(); child and os.waitpid(child, 0)",
    ),
    "multiprocessing, fork in a thread": (
        1,
        (
            "import multiprocessing, threading\n"
            "def run():\n"
            "    child = multiprocessing.get_context('fork').Process(target=record)\n"
            "    child.start(); child.join()\n"
            "thread = threading.Thread(target=run); thread.start(); thread.join()"
        ),
    ),
    **{
        f"multiprocessing, {method}": (
            2,
            (
                f"import multiprocessing\ncontext = multiprocessing.get_context({method!r})\n"
                "child = context.Process(target=record); child.start(); record(); child.join()"
            ),
        )
        for method in ("fork", "spawn", "forkserver")
    },
    "multiprocessing.Pool": (
        2,
        (
            "import multiprocessing\npool = multiprocessing.get_context('fork').Pool(2, maxtasksperchild=1)\n"
            "pool.map(record, range(2), chunksize=1); pool.close(); pool.join()"
        ),
    ),
    "ProcessPoolExecutor": (
        4,
        (
            "from concurrent.futures import ProcessPoolExecutor\n"
            "with ProcessPoolExecutor(2) as pool: list(pool.map(record, range(4)))"
        ),
    ),
    **{
        f"billiard, {method}": (
            2,
            (
                f"import billiard\nchild = billiard.get_context({method!r}).Process(target=record)\n"
                "child.start(); record(); child.join()"
            ),
        )
        for method in ("fork", "spawn", "forkserver")
    },
    "billiard.Pool": (
        2,
        (
            "import billiard\npool = billiard.Pool(2, maxtasksperchild=1)\n"
            "pool.map(record, range(2), chunksize=1); pool.close(); pool.join()"
        ),
    ),
    **{
        f"{name}, at work when the main thread ends": (2, f"{WORK}\n{ending}")
        for name, ending in {
            "threads": "for _ in range(2): Thread(target=work).start()",
            "an executor": "pool = ThreadPoolExecutor(1)\nfor _ in range(2): pool.submit(work)",
            "threads, sys.exit": "for _ in range(2): Thread(target=work).start()\nsys.exit(3)",
            "handlers of atexit": "for _ in range(2): atexit.register(record)",
            "threads of os.fork": (
                "if child := os.fork(): os.waitpid(child, 0)\nelse:\n    for _ in range(2): Thread(target=work).start()"
            ),
            "an executor of multiprocessing": (
                "def run():\n    pool = ThreadPoolExecutor(1)\n    for _ in range(2): pool.submit(work)\n"
                "child = multiprocessing.get_context('fork').Process(target=run); child.start(); child.join()"
            ),
            "an idle executor of billiard": (
                "import billiard\n"
                "def run(): list(ThreadPoolExecutor(1).map(work, range(2)))\n"
                "child = billiard.Process(target=run); child.start(); child.join()"
            ),
        }.items()
    },
    "after a shutdown, set up again": (
        1,
        (
            "from wxiai_otel import setup_telemetry as again\n"
            "setup_telemetry().shutdown()\n"
            "again(service_name='w', metric_export_interval=60, state_redis='memory'); record()"
        ),
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_measurements_of_a_process_and_its_children_are_exported_at_exit(tmp_path, how):
    expected, ending = ENDINGS[how]
    if "billiard" in how:
        pytest.importorskip("billiard")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(ending=indent(ending, "    ")))
    with http_receiver() as receiver:
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        ended = subprocess.run(
            [sys.executable, str(program)], env=environment, capture_output=True, timeout=100, check=False
        )
    assert receiver.total("user.registrations") == expected, ended.stderr.decode()


@pytest.mark.parametrize(
    ("recorded", "folder", "logged"),
    [("record", "", 1), ("record", "none", 1), ("record", "shared", 0), ("abs", "", 0)],
)
def test_children_that_no_endpoint_shows_log_one_warning(tmp_path, recorded, folder, logged):
    program = tmp_path / "program.py"
    pool = f"""
        import multiprocessing
        pool = multiprocessing.get_context('fork').Pool(3, maxtasksperchild=1)
        pool.map({recorded}, range(4), chunksize=1); pool.close(); pool.join()
    """
    program.write_text(PROGRAM.format(ending=indent(dedent(pool), "    ")))
    named = str(tmp_path / "shared") if folder == "shared" else folder
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "WXIAI_OTEL_WORKERS_FOLDER": named}
    ended = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    assert ended.stderr.count("are not shown at the metrics endpoint") == logged, ended.stderr


def test_children_are_part_of_the_endpoint_if_the_workers_directory_is_set(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        PROGRAM.format(
            ending=indent(
                "import multiprocessing\n"
                "child = multiprocessing.get_context('fork').Process(target=record)\n"
                "child.start(); record(); child.join()\n"
                "print(setup_telemetry().render_metrics()[0].decode())",
                "    ",
            )
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "WXIAI_OTEL_WORKERS_FOLDER": str(tmp_path / "shared")}
    ended = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    assert "user_registrations_total 2.0" in ended.stdout, ended.stderr


def refused(_function) -> None:
    raise RuntimeError("can't register atexit after shutdown")


@pytest.fixture
def hooks(monkeypatch):
    monkeypatch.setattr(exits, "_hooks", [runtime.shutdown_current])


class TestExitHooks:
    def test_keep_no_runtime_alive(self):
        telemetry = setup_telemetry(workers_folder="none")
        runtime = ref(telemetry._runtime)
        registered = len(exits._hooks)
        telemetry.shutdown()
        setup_telemetry(workers_folder="none").shutdown()
        gc.collect()
        assert len(exits._hooks) == registered == 1
        referrers = [one for one in gc.get_referrers(runtime()) if one is exits._hooks] if runtime() else []
        assert referrers == []

    @pytest.mark.faulty
    def test_run_even_if_others_raise(self, hooks):
        calls = []
        exits.at_exit(lambda: calls.append(1))
        exits.at_exit(lambda: 1 / 0)
        exits.run_exit_hooks()
        assert calls == [1]

    @pytest.mark.parametrize("registering", [{}, {"_register_atexit": refused}], ids=["no such way", "refused"])
    def test_need_no_private_name_of_threading(self, hooks, monkeypatch, registering):
        monkeypatch.delattr(exits.threading, "_register_atexit", raising=False)
        for name, function in registering.items():
            monkeypatch.setattr(exits.threading, name, function, raising=False)
        calls = []
        exits.at_exit(lambda: calls.append(1))
        exits.run_exit_hooks()
        assert calls == [1]
