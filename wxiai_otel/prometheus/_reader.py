"""The metric reader of the embedded endpoint."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as PrometheusMetric

from .._accept import encoder
from .._background import pause, paused, resume
from .._beside import garbage_kept, short_turns
from .._guard import fault, guarded
from .._reentry import Serial, may_use_sdk
from .._storage import Storage
from ._application import ApplicationFamily, application_families
from ._collector import ContractCollector, untaken
from ._shared_directory import is_worker, server_of_this_process
from ._workers import Workers

_OPENMETRICS = "application/openmetrics-text"
_CREATED = "_created"
_SCRAPE_SECONDS = 10.0
_NOT_SHOWN = (
    "Measurements of child processes (ProcessPoolExecutor, multiprocessing) are not shown at the metrics endpoint. "
    "Set WXIAI_OTEL_WORKERS_FOLDER to a directory that the server and its children share, or export by OTLP."
)

logger = logging.getLogger("wxiai_otel")


class _Once:
    """A permit that only one of a process and its forked children can take: one byte in a shared pipe."""

    _pipe: tuple[int, int] | None = None

    @classmethod
    def prepare(cls) -> None:
        """Create the permit if the process has none."""
        if cls._pipe is None:
            cls._pipe = os.pipe()
            os.set_blocking(cls._pipe[0], False)
            os.write(cls._pipe[1], b"1")

    @classmethod
    def take(cls) -> bool:
        """Take the permit. Return whether it was available."""
        try:
            return cls._pipe is not None and bool(os.read(cls._pipe[0], 1))
        except BlockingIOError:
            return False


class EmbeddedReader(PrometheusMetricReader):
    """Upstream's Prometheus reader, whose scrape is the contract.

    It stands in no registry but its own: what the application has in prometheus_client's is read, and not touched.

    Parameters:
        storage: What is recorded there is shown beside what the SDK collects.
        with_application: Whether what is in prometheus_client's default registry is shown too.
    """

    def __init__(self, storage: Storage, *, with_application: bool = False) -> None:
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry())
        self._storage = storage
        self._with_application = with_application
        self._scrape = Serial()
        self._received: MetricsData | None = None
        self._workers: Workers | None = None
        self._folder = ""
        self._server = ""
        self._join: Callable[[], None] = lambda: None
        self._process = os.getpid()
        _Once.prepare()

    def _receive_metrics(self, metrics_data: MetricsData, *_args: Any, **_kwargs: Any) -> None:
        if metrics_data is not None:
            self._received = metrics_data

    def join(self, folder: str, instance: Callable[[], str], max_series: int) -> None:
        """Answer for all workers of the server from now on, if this process is one of several.

        Parameters:
            folder: The setting workers_folder.
            instance: Returns the service.instance.id of this process.
            max_series: The setting max_series.
        """
        # Relative ones too, whatever directory a forked child changes to.
        self._folder = str(Path(folder).absolute()) if folder not in {"", "none"} else folder
        self._join = partial(self._join_as, instance, max_series)
        self._join()

    def _join_as(self, instance: Callable[[], str], max_series: int) -> None:
        if self._folder != "none" and (self._folder or is_worker()):
            self._server = self._server or server_of_this_process()
            self._workers = Workers(
                self._folder,
                self._server,
                instance(),
                self._storage,
                self._collected,
                self._application,
                max_series,
                is_forked=os.getpid() != self._process,
            )

    def after_fork(self) -> None:
        """Leave the parent's place to the parent. This child joins the same workers once it measures anything."""
        self._workers = None
        pause(self._join)

    def publish(self) -> None:
        """Publish the counts that only this process can collect."""
        if (workers := self._workers) is not None:
            workers.publish()

    def leave(self) -> None:
        """Leave the counts of this process to the other workers."""
        guarded("prometheus.children")(self._log_not_shown)()
        if self._workers is not None:
            self._workers.leave()
            self._workers = None

    def _log_not_shown(self) -> None:
        """Log once if no endpoint shows the measurements of this forked child."""
        # A child that has recorded nothing has paused.
        is_child = not paused and os.getpid() != self._process and multiprocessing.parent_process() is not None
        if is_child and self._folder in {"", "none"} and _has_counts(self._own()) and _Once.take():
            logger.warning(_NOT_SHOWN)

    def render(self, accept: str | None = None) -> tuple[bytes, str]:
        """Collect and render the current values.

        Parameters:
            accept: An HTTP Accept header: OpenMetrics where it is asked for, else Prometheus' text format.

        Returns:
            The exposition and its content type.
        """
        with short_turns, garbage_kept:
            return self._rendered(*encoder(accept or ""))

    def _rendered(self, encode: Callable[[CollectorRegistry], bytes], content_type: str) -> tuple[bytes, str]:
        found = self.families()
        if not content_type.startswith(_OPENMETRICS):
            for family in found:
                # The text format has no place for them but a family of their own.
                family.samples = [sample for sample in family.samples if sample.name != f"{family.name}{_CREATED}"]
        try:
            return encode(_registry(found)), content_type
        except Exception:  # noqa: BLE001 - a collector of the application may give anything
            fault("prometheus.encode")
            return encode(_registry([family for family in found if _can_be(family, encode)])), content_type

    def families(self) -> list[PrometheusMetric]:
        """Return the current values, of all workers if there are several.

        Raises:
            OSError: Not all workers can be read. The counts of one alone would go back.
        """
        resume()
        workers = self._workers
        with short_turns, garbage_kept:
            return self._own() if workers is None else workers.merged()

    def _own(self) -> list[PrometheusMetric]:
        found = list(ContractCollector(self._storage.added_to(self._collected())).collect())
        return [*found, *untaken(self._application(), found)]

    def _collected(self) -> MetricsData | None:
        # The SDK holds locks while it collects. A scrape that interrupts another one, or waits too long, shows the
        # last collection.
        with self._scrape.held(_SCRAPE_SECONDS) as held:
            if held and may_use_sdk():
                self.collect()
            return self._received

    def _application(self) -> list[ApplicationFamily]:
        found = guarded("prometheus.application")(list)(application_families()) if self._with_application else []
        return found or []


def _has_counts(families: list[PrometheusMetric]) -> bool:
    return any(
        sample.value
        for family in families
        if not family.name.startswith("wxiai_otel")
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
    )


def _registry(families: list[PrometheusMetric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(families))
    return registry


def _can_be(family: PrometheusMetric, encode: Callable[[CollectorRegistry], bytes]) -> bool:
    try:
        encode(_registry([family]))
    except Exception:  # noqa: BLE001 - see above
        return False
    return True


class _Collected:
    """Families as a registry wants them."""

    def __init__(self, families: list[PrometheusMetric]) -> None:
        self._families = families

    def collect(self) -> list[PrometheusMetric]:
        return self._families
