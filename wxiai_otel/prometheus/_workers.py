"""The workers of one server, which answer a scrape for each other.

Each listens on a socket in a folder that they share, and answers with a snapshot of its metrics; what it has answered
is also kept in a file, for the case that it is killed. A worker that ends adds its counts to those of the ended. Who is
scraped asks all the others, and holds the folder's lock meanwhile, so that nobody is counted twice or missed.
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
from pathlib import Path
from typing import Any

from prometheus_client import Metric as PrometheusMetric

from .._background import in_forked_child
from .._beside import garbage_kept, short_turns
from .._guard import fault
from ._merge import cumulative, merged, snapshot

# What a worker says: "member", "instance" and "families", a `Snapshot`.
Worker = dict[str, Any]

_ENDED = "ended.json"
_LOCK = "lock"
_ANSWER_SECONDS = 2.0
_KEEP_SECONDS = 5.0
_LOCK_SECONDS = 10.0
_LOCK_PAUSE_SECONDS = 0.01


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
        self._server = socket.socket(socket.AF_UNIX)
        self._server.settimeout(_KEEP_SECONDS)
        with self._locked():
            self._bury(self._socket_path)  # a process of the same number, which was killed before us
            self._keep()
            self._server.bind(str(self._socket_path))
            self._server.listen(16)
        threading.Thread(target=self._answer, name="wxiai-otel-workers", daemon=True).start()
        in_forked_child(self._close)

    def merged(self) -> list[PrometheusMetric]:
        """The metrics of all workers.

        Raises:
            TimeoutError: Another worker is asking, and does not come to an end.
        """
        with self._locked():
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
                self._keep()
                self._bury(self._socket_path)
                return
            self._keep()
        except Exception:  # noqa: BLE001 - the process ends all the same
            fault("workers.leave")
        finally:
            self._close()

    def _close(self) -> None:
        # In a forked child too: it would keep the socket open beyond its parent's end.
        self._server.close()

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
            self._bury(path)
            return None
        except (OSError, ValueError):
            # It is there and does not answer: what it has said last is the most that is known.
            return _kept(path)

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
        path = self._folder / _ENDED
        if not path.exists():
            return {"members": [], "families": []}
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def _keep(self) -> Worker:
        """Keep a snapshot of this process, no less than what anybody has been told."""
        with short_turns, garbage_kept:
            own = {"member": self._member, "instance": self._instance, "families": snapshot(self._collect())}
            _write(self._snapshot_path, own)
            return own

    def _answer(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                self._keep_for_later()
                continue
            except OSError:
                return  # closed
            try:
                with client:
                    client.settimeout(_ANSWER_SECONDS)
                    self._keep()
                    client.sendall(self._snapshot_path.read_bytes())
            except ConnectionError:
                pass  # whoever asked is gone
            except Exception:  # noqa: BLE001 - the next one is to be answered
                fault("workers.answer")

    def _keep_for_later(self) -> None:
        try:
            if self._socket_path.exists():
                self._keep()
        except Exception:  # noqa: BLE001 - the next time may do better
            fault("workers.keep")

    @contextmanager
    def _locked(self, timeout: float = _LOCK_SECONDS) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        with (self._folder / _LOCK).open("ab") as lock:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError("another worker is being scraped, and does not come to an end")
                time.sleep(_LOCK_PAUSE_SECONDS)
            yield


def _kept(path: Path) -> Worker | None:
    """What the worker of a socket has kept."""
    kept = path.with_suffix(".json")
    if not kept.exists():
        return None
    found: Worker = json.loads(kept.read_bytes())
    return found


def _write(path: Path, content: object) -> None:
    """Write a file as a whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    part.write_text(json.dumps(content))
    part.replace(path)
