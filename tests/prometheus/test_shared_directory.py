"""The worker directory: the same for all workers of a server, and inaccessible to other users."""

import multiprocessing
import os
import stat
import sys
import types
from pathlib import Path

import pytest

from tests.prometheus.internals import (
    SharedDirectory,
    _shared_directory,
    is_worker,
    server_of_this_process,
    shared_directory,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are made from /proc")


@pytest.fixture
def temporary(monkeypatch, tmp_path) -> Path:
    """The only temporary directory of this process."""
    monkeypatch.setattr(_shared_directory, "_bases", lambda: [tmp_path])
    return tmp_path


@pytest.fixture
def opened():
    """Opens the directory of the setting, as often as asked."""
    found = []

    def open_one(named: str = "") -> SharedDirectory:
        found.append(shared_directory(named, server_of_this_process()))
        return found[-1]

    yield open_one
    for directory in found:
        directory.close()


def forgotten(base: Path, *, pid: int, started: int, space: int | None = None) -> Path:
    space = Path("/proc/self/ns/pid").stat().st_ino if space is None else space
    path = base / f"wxiai-otel-{os.geteuid()}-{space}-{pid}-{started}-0123456789abcdef"
    path.mkdir(mode=0o700)
    (path / "a.values").write_bytes(b"")
    return path


class TestItsName:
    def test_is_the_same_for_each_worker_of_a_server(self, temporary, opened):
        assert opened().path == opened().path
        assert opened().path.parent == temporary

    def test_cannot_be_guessed_from_what_other_users_see(self, temporary, opened, monkeypatch):
        before = opened().path
        read = _shared_directory._content
        layout = read("/proc/self/maps").replace(b"[stack]", b"[another]")
        monkeypatch.setattr(
            _shared_directory, "_content", lambda path: layout if path == "/proc/self/maps" else read(path)
        )
        assert opened().path != before

    def test_has_a_secret_of_multiprocessing_in_its_children(self, temporary, opened, monkeypatch):
        monkeypatch.setattr(_shared_directory.multiprocessing, "parent_process", object)
        before = opened().path
        monkeypatch.setattr(multiprocessing.current_process(), "authkey", b"another")
        assert opened().path != before

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_has_the_same_secret_after_a_change_of_the_user(self):
        """gunicorn changes the user in its workers, whose files other users can no longer read, nor they themselves."""
        found, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os.write(told, server_of_this_process().rpartition("-")[2].encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(found, 1_000).decode() == server_of_this_process().rpartition("-")[2]
        os.close(found)
        os.close(told)

    def test_is_of_the_user_that_a_worker_has_become(self, monkeypatch):
        server = server_of_this_process()
        before = _shared_directory._name(server)
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        after = _shared_directory._name(server)
        assert after.startswith("wxiai-otel-4711-")
        assert after.rpartition("-")[2] != before.rpartition("-")[2]

    def test_differs_between_pid_namespaces(self, temporary, opened, monkeypatch):
        before = opened().path
        monkeypatch.setattr(_shared_directory, "_identity", lambda _: 1)
        assert opened().path != before

    def test_is_of_the_parent_in_a_worker_and_of_itself_in_gunicorns_main_process(self, temporary, opened):
        def called_in(module, function):
            code = f"def {function}(call):\n    return call()"
            exec(code, names := {"__name__": module})
            return names[function]

        load = called_in("gunicorn.arbiter", "setup")
        assert f"-{os.getpid()}-" in load(lambda: opened().path.name)
        spawn = called_in("gunicorn.arbiter", "spawn_worker")
        assert f"-{os.getppid()}-" in load(lambda: spawn(lambda: opened().path.name))
        assert f"-{os.getppid()}-" in opened().path.name

    def test_is_in_memory_first(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        assert list(_shared_directory._bases())[:2] == [Path("/dev/shm"), tmp_path]


class TestItsOwner:
    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o707, 0o777])
    def test_a_directory_that_is_open_to_others_is_refused(self, tmp_path, mode):
        path = tmp_path / "shared"
        path.mkdir()
        path.chmod(mode)
        with pytest.raises(PermissionError, match="open to other users; its mode must be 700"):
            SharedDirectory(path)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
    def test_a_directory_of_another_user_is_refused(self, tmp_path):
        path = tmp_path / "shared"
        path.mkdir(mode=0o700)
        os.chown(path, 65534, 65534)
        with pytest.raises(PermissionError, match="belongs to another user"):
            SharedDirectory(path)

    def test_a_link_is_not_followed(self, tmp_path):
        (tmp_path / "theirs").mkdir(mode=0o700)
        (tmp_path / "shared").symlink_to(tmp_path / "theirs")
        with pytest.raises(OSError, match="shared"):
            SharedDirectory(tmp_path / "shared")

    def test_another_temporary_directory_is_used_instead(self, tmp_path, monkeypatch, opened):
        taken, free = tmp_path / "taken", tmp_path / "free"
        for base in (taken, free):
            base.mkdir()
        monkeypatch.setattr(_shared_directory, "_bases", lambda: [taken, free])
        first = opened()
        first.path.chmod(0o777)
        assert opened().path.parent == free

    def test_it_can_be_used_whatever_the_umask_is(self, tmp_path, opened):
        before = os.umask(0o177)
        try:
            path = opened(str(tmp_path / "workers")).path
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700

    def test_a_directory_of_the_setting_that_others_use_too_gets_a_private_one(self, tmp_path, opened):
        volume = tmp_path / "volume"
        volume.mkdir()
        volume.chmod(0o777)
        path = opened(str(volume)).path
        assert path == volume / f"wxiai-otel-{os.geteuid()}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o700

    def test_one_that_cannot_be_created_is_an_error(self):
        with pytest.raises(OSError, match="/proc/workers"):
            shared_directory("/proc/workers", "server")


class TestItsFiles:
    def test_nothing_but_a_regular_file_is_opened(self, directory):
        (directory.path / "link").symlink_to("/etc/hostname")
        os.mkfifo(directory.path / "pipe")
        (directory.path / "directory").mkdir()
        for name in ("link", "pipe", "directory"):
            with pytest.raises(OSError, match=name):
                directory.open(name, os.O_RDONLY)

    def test_no_more_is_read_than_was_asked_for(self, directory):
        (directory.path / "huge").write_bytes(b"x" * 10_000)
        assert directory.read("huge", 100) == b"x" * 100
        assert directory.read("missing", 100) == b""

    def test_a_file_is_replaced_as_a_whole_or_not_at_all(self, directory, monkeypatch):
        directory.write("file", b"before")
        version = directory.version("file")

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "rename", full)
        with pytest.raises(OSError, match="No space"):
            directory.write("file", b"after")
        monkeypatch.undo()
        assert directory.read("file", 100) == b"before"
        assert directory.version("file") == version
        assert directory.names() == ["file"]


class TestForgottenDirectories:
    def test_those_of_servers_that_ended_are_removed(self, temporary, opened):
        path = forgotten(temporary, pid=os.getpid(), started=1)
        opened()
        assert not path.exists()

    def test_those_of_servers_that_run_are_kept(self, temporary, opened):
        path = forgotten(temporary, pid=os.getpid(), started=_shared_directory._started(os.getpid()))
        opened()
        assert path.exists()

    def test_those_of_another_namespace_are_removed_after_an_hour(self, temporary, opened):
        path = forgotten(temporary, pid=1, started=1, space=1)
        opened()
        assert path.exists()
        os.utime(path, (0, 0))
        opened()
        assert not path.exists()

    def test_those_that_are_locked_are_kept(self, temporary, opened):
        path = forgotten(temporary, pid=1, started=1, space=1)
        in_use = SharedDirectory(path)
        os.utime(path, (0, 0))
        opened()
        assert path.exists()
        in_use.close()
        opened()
        assert not path.exists()

    def test_those_with_directories_in_them_and_others_names_are_kept(self, temporary, opened):
        path = forgotten(temporary, pid=1, started=1)
        (path / "deep" / "deeper").mkdir(parents=True)
        notes = temporary / "wxiai-otel-notes"
        notes.mkdir()
        opened()
        assert (path / "deep" / "deeper").exists()
        assert notes.exists()


def test_only_one_of_several_processes_that_serve_is_a_worker(monkeypatch):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    assert not is_worker()
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
    assert is_worker()
    monkeypatch.delenv("SERVER_SOFTWARE")
    monkeypatch.setattr(_shared_directory, "multiprocessing", types.SimpleNamespace(parent_process=object))
    assert is_worker()
