"""What panels show, asked of Prometheus."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.variables import Window, replaced

# Never through a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TIMEOUT = 20
_EXEMPLARS = 60

Chosen = Mapping[str, Sequence[str]]


class PrometheusError(Exception):
    """Prometheus does not answer, or not what it was asked; the message says why."""


class Prometheus:
    """A Prometheus server.

    Parameters:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, path: str, **parameters: object) -> Any:
        """The data of an answer.

        Raises:
            PrometheusError: There is none.
        """
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with _OPENER.open(f"{self.url}/api/v1/{path}", body, timeout=_TIMEOUT) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(_reason(error.read()) or str(error)) from None
        except (urllib.error.URLError, OSError, ValueError, KeyError) as error:
            raise PrometheusError(f"Prometheus at {self.url} does not answer: {error}") from None

    def panel(self, panel: dict[str, Any], chosen: Chosen, window: Window) -> list[dict[str, Any]]:
        """What each query of a panel gives: its series, and its exemplars where they are wanted."""
        return [self._target(target, chosen, window) for target in panel["targets"]]

    def _target(self, target: dict[str, Any], chosen: Chosen, window: Window) -> dict[str, Any]:
        query = replaced(target["expr"], chosen, window)
        if target.get("instant"):
            series = self.ask("query", query=query, time=window.end)["result"]
            found = [(one["metric"], [one["value"]]) for one in series]
        else:
            # At whole steps, so that a refresh moves the points and does not choose others.
            start, end = (math.floor(at / window.step) * window.step for at in (window.start, window.end))
            series = self.ask("query_range", query=query, start=start, end=end, step=window.step)["result"]
            found = [(one["metric"], one["values"]) for one in series]
        return {
            "refId": target["refId"],
            "query": query,
            "series": [{"labels": labels, "values": _numbers(values)} for labels, values in found],
            "exemplars": self._exemplars(query, window) if target.get("exemplar") else [],
        }

    def _exemplars(self, query: str, window: Window) -> list[dict[str, Any]]:
        found = self.ask("query_exemplars", query=query, start=window.start, end=window.end)
        traces = {
            exemplar["labels"]["trace_id"]: {
                "trace": exemplar["labels"]["trace_id"],
                "at": float(exemplar["timestamp"]),
                "value": float(exemplar["value"]),
            }
            for series in found
            for exemplar in series["exemplars"]
            if "trace_id" in exemplar["labels"]
        }
        # As many as one can tell apart: of each moment the slowest, which is what one looks for.
        slowest: dict[int, dict[str, Any]] = {}
        for one in sorted(traces.values(), key=lambda one: one["value"]):
            slowest[int((one["at"] - window.start) / (window.end - window.start) * _EXEMPLARS)] = one
        return list(slowest.values())

    def values(self, query: str, chosen: Chosen, window: Window) -> list[str]:
        """The values of a variable: of ``label_values(series, label)``."""
        series, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(",")
        found = self.ask(
            "series", **{"match[]": replaced(series, chosen, window), "start": window.start, "end": window.end}
        )
        return sorted({one[label.strip()] for one in found if label.strip() in one})


def _numbers(values: Sequence[Sequence[Any]]) -> list[list[float | None]]:
    """Times and values; what JSON has no number for is none."""
    return [[float(at), float(value) if math.isfinite(float(value)) else None] for at, value in values]


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
