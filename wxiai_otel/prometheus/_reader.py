"""The metric reader of the embedded endpoint."""

import threading
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ._collector import ContractCollector
from ._transform import Family, families, split

_OPENMETRICS = "application/openmetrics-text"


class EmbeddedReader(PrometheusMetricReader):
    """Upstream's Prometheus reader, whose scrape is the contract.

    It stands in no registry but its own: an application's prometheus_client metrics are not touched.
    """

    def __init__(self) -> None:
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry())
        self._scrape = threading.Lock()
        self._received: list[MetricsData] = []

    def _receive_metrics(self, metrics_data: MetricsData, *_args: Any, **_kwargs: Any) -> None:
        if metrics_data is not None:
            self._received.append(metrics_data)

    def render(self, accept: str | None = None) -> tuple[bytes, str]:
        """Collect and render the current values.

        Parameters:
            accept: An HTTP Accept header: OpenMetrics where it is asked for, else Prometheus' text format.

        Returns:
            The exposition and its content type.
        """
        encode, content_type = choose_encoder(accept or "")
        data = self._data()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(ContractCollector(data, openmetrics=content_type.startswith(_OPENMETRICS)))
        return encode(registry), content_type

    def families(self) -> dict[str, Family]:
        """The current values of the contract's metrics, by their names."""
        ours, _ = split(self._data())
        return {family.metric.name: family for metric in ours for family in families(metric)}

    def _data(self) -> MetricsData:
        # One scrape at a time has the SDK collect: upstream's reader hands the data over in a shared place.
        with self._scrape:
            self._received.clear()
            self.collect()
            return MetricsData([resource for found in self._received for resource in found.resource_metrics])
