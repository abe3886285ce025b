"""The application's SQLite files are read without creating them and without blocking writers."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from sqlalchemy import create_engine

from wxiai_otel.sql import ask, ping


class TestAFileOfSqlite:
    def test_is_never_created(self, tmp_path):
        path = tmp_path / "none.db"
        for url in (f"sqlite:///{path}", f"sqlite:///file:{path}?mode=rwc&uri=true"):
            with pytest.raises(sqlite3.OperationalError, match="unable to open"):
                ping(create_engine(url), 1)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", ["delete", "wal", "persist", "truncate"])
    def test_is_read_without_blocking_writers(self, tmp_path, mode):
        path = tmp_path / "x#1?.db"
        writer = sqlite3.connect(path, timeout=0, isolation_level=None)
        writer.execute(f"PRAGMA journal_mode={mode}")
        writer.execute("CREATE TABLE t (a)")
        engine = create_engine("sqlite://")
        engine = create_engine(engine.url.set(database=str(path)))
        slow = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "SELECT max(i) + (SELECT count(*) FROM t) FROM n"
        )

        def read():
            with suppress(TimeoutError):  # the file changes all the time
                ask(engine, slow, 9)

        thread = threading.Thread(target=read)
        thread.start()
        writes = 0
        while thread.is_alive() and writes < 200:
            writer.execute("INSERT INTO t VALUES (1)")  # raises if the file is locked
            writes += 1
        thread.join()
        assert ask(engine, "SELECT count(*) FROM t", 1) == writes > 0
        # Closing our file descriptor must not release a lock of the writer.
        writer.execute("BEGIN IMMEDIATE")
        ask(engine, "SELECT count(*) FROM t", 1)
        other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        found = subprocess.run([sys.executable, "-c", other, str(path)], check=False, capture_output=True, text=True)
        assert "database is locked" in found.stderr
        writer.execute("COMMIT")

    @pytest.mark.parametrize("large", [False, True], ids=["in memory so far", "partly written"])
    @pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
    @pytest.mark.parametrize("mode", ["delete", "wal", "persist", "truncate", "memory", "off"])
    def test_is_healthy_during_a_long_transaction(self, tmp_path, mode, begin, large):
        path = tmp_path / "x.db"
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute(f"PRAGMA journal_mode={mode}")
        writer.execute("PRAGMA cache_size=1")
        writer.execute("CREATE TABLE t (a)")
        writer.execute(begin)
        writer.executemany("INSERT INTO t VALUES (?)", [("x" * 4000,)] * (50 if large else 1))
        writer.execute("CREATE TABLE u (a)")
        for _ in range(3):
            ping(create_engine(f"sqlite:///{path}"), 1)
        writer.execute("COMMIT")

    def test_is_not_read_in_the_middle_of_a_write(self, tmp_path):
        path = tmp_path / "x.db"
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("PRAGMA cache_size=1")
        writer.execute("CREATE TABLE t (a)")
        writer.execute("BEGIN IMMEDIATE")
        writer.executemany("INSERT INTO t VALUES (?)", [("x" * 4000,)] * 50)
        with pytest.raises(TimeoutError):
            ask(create_engine(f"sqlite:///{path}"), "SELECT count(*) FROM t", 1)
        writer.execute("COMMIT")
        assert ask(create_engine(f"sqlite:///{path}"), "SELECT count(*) FROM t", 1) == 50
