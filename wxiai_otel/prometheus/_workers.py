"""The workers of one server, which answer a scrape for each other.

Each listens on a socket in a folder that they share, and answers with a snapshot of its metrics; what it has answered
is also kept in a file, for the case that it is killed. A worker that ends adds its counts to those of the ended. Who is
scraped asks all the others, and holds the folder's lock meanwhile, so that nobody is counted twice or missed.

The folder may be removed, as cleaners of temporary folders do, and be full: the first is healed, the second is borne.
"""

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from prometheus_client import Metric as PrometheusMetric

from .._background import in_forked_child
from .._beside import garbage_kept, short_turns
from .._guard import fault
from ._folder import made
from ._merge import cumulative, merged, snapshot

# What a worker says: "member", "instance" and "families", a `Snapshot`.
Worker = dict[str, Any]

_NOBODY: dict[str, Any] = {"members": [], "families": []}

_ENDED = "ended.json"
_LOCK = "lock"
_ANSWER_SECONDS = 2.0
_KEEP_SECONDS = 5.0
_LOCK_SECONDS = 10.0
_LOCK_PAUSE_SECONDS = 0.01
# A process without room for another file may have some soon.
_ACCEPT_PAUSE_SECONDS = 0.5

_parts = count()


class Workers:
    """This process among the workers of its server.

    Parameters:
        folder: The folder that they share, made for them.
        instance: This process' service.instance.id.
        collect: Gives this process' metrics.
    """

    def __init__(self, folder: Path, instance: str, collect: Callable[[], list[PrometheusMetric]]) -> None:
        self._folder = folder
        # Several workers have one instance where the environment names it.
        self._member = uuid.uuid4().hex
        self._instance = instance
        self._collect = collect
        self._socket_path = folder / f"{os.getpid()}.sock"
        self._snapshot_path = self._socket_path.with_suffix(".json")
        self._closed = False
        # The thread that holds the directory's lock: a signal handler may interrupt it and need the lock too.
        self._holder: int | None = None
        self._complete_from = 0.0
        self._last_ended: dict[str, Any] = _NOBODY
        with self._locked():
            self._bury(self._socket_path)  # a process of the same number, which was killed before us
            self._keep()
            try:
                self._server = self._listening()
            except OSError:
                # To answer alone would be another total than that of the others: it is tried again.
                fault("workers.join")
                self._server = socket.socket(socket.AF_UNIX)
        threading.Thread(target=self._answer, name="wxiai-otel-workers", daemon=True).start()
        in_forked_child(self._close)

    def merged(self) -> list[PrometheusMetric]:
        """The metrics of all workers.

        Raises:
            TimeoutError: Another worker is asking, and does not come to an end.
            OSError: The folder cannot be used, or has been removed, and not all have found each other again.
        """
        with self._locked():
            if time.monotonic() < self._complete_from or not self._socket_path.exists():
                raise FileNotFoundError("the workers' folder was removed: they find each other again within seconds")
            others = [path for path in sorted(self._folder.glob("*.sock")) if path != self._socket_path]
            live = [self._keep(), *filter(None, map(self._ask, others))]
            return merged([(worker["instance"], worker["families"]) for worker in live], self._ended()["families"])

    def leave(self, timeout: float) -> None:
        """Add what this process has counted to what the ended have, and be asked no more.

        Parameters:
            timeout: Seconds to wait for another worker that is asking. After that it is left to whoever asks next.
        """
        try:
            with suppress(TimeoutError), self._locked(timeout):
                self._closed = True  # whose socket is not missed
                self._keep()
                self._bury(self._socket_path)
                return
            self._keep()
        except Exception:  # noqa: BLE001 - the process ends all the same
            fault("workers.leave")
        finally:
            self._closed = True
            # Closing does not wake the thread. A forked child must not do this: it shuts down the parent's socket.
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._close()

    def _close(self) -> None:
        # In a forked child too: it would keep the socket open beyond its parent's end.
        self._closed = True
        self._server.close()

    def _listening(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.settimeout(_KEEP_SECONDS)
            server.bind(str(self._socket_path))
            server.listen(16)
        except OSError:
            server.close()
            raise
        return server

    def _ask(self, path: Path) -> Worker | None:
        """What a worker answers; ``None`` where it has ended, and is now counted among the ended."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(_ANSWER_SECONDS)
                client.connect(str(path))
                with client.makefile("rb") as answer:
                    found: Worker = json.loads(answer.read())
                    return found
        except (ConnectionError, FileNotFoundError):
            return self._buried(path)
        except (OSError, ValueError):
            # It is there and does not answer: what it has said last is the most that is known.
            return _kept(path)

    def _buried(self, path: Path) -> Worker | None:
        """Bury a worker; what it had kept where there is no room for that."""
        try:
            self._bury(path)
        except OSError:
            fault("workers.bury")
            return _kept(path)
        return None

    def _bury(self, path: Path) -> None:
        kept = _kept(path)
        if kept is not None:
            ended = self._ended()
            # They are named there: whoever buries one may be killed in between.
            if kept["member"] not in ended["members"]:
                total = merged([("", ended["families"]), ("", cumulative(kept["families"]))])
                _write(
                    self._folder / _ENDED,
                    {"members": [*ended["members"], kept["member"]], "families": snapshot(total)},
                )
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _ended(self) -> dict[str, Any]:
        """What the ended have counted: no less than it was when we last looked."""
        found = _read(self._folder / _ENDED) or _NOBODY
        if len(found["members"]) < len(self._last_ended["members"]):
            found = self._last_ended
            self._write(_ENDED, found)
        self._last_ended = found
        return found

    def _keep(self) -> Worker:
        """Keep a snapshot of this process, no less than what anybody has been told."""
        with short_turns, garbage_kept:
            own = {"member": self._member, "instance": self._instance, "families": snapshot(self._collect())}
            self._write(self._snapshot_path.name, own)
            return own

    def _write(self, name: str, content: object) -> None:
        """Keep a file, where there is room for it. Answers do not depend on that."""
        try:
            _write(self._folder / name, content)
        except OSError:
            fault("workers.keep")

    def _answer(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                self._keep_for_later()
                continue
            except OSError:
                if self._closed:
                    return
                # The process or the directory cannot have another file.
                time.sleep(_ACCEPT_PAUSE_SECONDS)
                if not self._closed and not self._socket_path.exists():
                    self._keep_for_later()
                continue
            try:
                with client:
                    client.settimeout(_ANSWER_SECONDS)
                    client.sendall(json.dumps(self._keep()).encode())
            except ConnectionError:
                pass  # whoever asked is gone
            except Exception:  # noqa: BLE001 - the next one is to be answered
                fault("workers.answer")

    def _keep_for_later(self) -> None:
        try:
            if not self._socket_path.exists():
                self._return()
            if not self._closed:
                self._keep()
        except Exception:  # noqa: BLE001 - the next time may do better
            fault("workers.keep")

    def _return(self) -> None:
        """Have a socket again where somebody has removed it. The others do so within the time after which they look."""
        with self._locked():
            if not self._closed:
                self._server.close()
                self._server = self._listening()
                self._complete_from = time.monotonic() + 2 * _KEEP_SECONDS
                self._ended()

    @contextmanager
    def _locked(self, timeout: float = _LOCK_SECONDS) -> Iterator[None]:
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        deadline = time.monotonic() + timeout
        with self._lock_file() as lock:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError("another worker is being scraped, and does not come to an end")
                time.sleep(_LOCK_PAUSE_SECONDS)
            self._holder = me
            try:
                yield
            finally:
                self._holder = None

    def _lock_file(self) -> BinaryIO:
        path = self._folder / _LOCK
        try:
            return path.open("ab")
        except FileNotFoundError:
            made(self._folder)
            return path.open("ab")


def _kept(path: Path) -> Worker | None:
    """What the worker of a socket has kept."""
    return _read(path.with_suffix(".json"))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:  # cut off, as by a disk that was full
        fault("workers.read")
        return None
    return found


def _write(path: Path, content: object) -> None:
    """Write a file as a whole or not at all."""
    # A unique name: a signal handler may interrupt this thread and write the same file.
    part = path.with_name(f"{path.name}.{os.getpid()}-{next(_parts)}")
    try:
        part.write_text(json.dumps(content))
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
