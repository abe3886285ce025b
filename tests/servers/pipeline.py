"""A running stack as tests want it: OTLP in as any SDK writes it, series out of the Collector and of Prometheus."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from stack.state import read_state
from tests.scrape import Scrape
from tests.until import until

IDENTITY = ("job", "instance")
T = TypeVar("T", bound=Sized)


def settled(find: Callable[[], T], is_enough: Callable[[T], bool] = bool) -> T:
    """Return what is found once it is enough and has not grown for half a second: backends store one by one."""

    def found_twice() -> T | None:
        found = find()
        if not is_enough(found):
            return None
        time.sleep(0.5)
        return found if len(find()) == len(found) else None

    return until(found_twice)


class Pipeline:
    """The addresses of a stack, and what is sent to it and asked of it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.state = read_state(data)

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.state.ports[port]}"

    def get(self, port: str, path: str) -> bytes:
        with urllib.request.urlopen(self.url(port) + path, timeout=20) as response:
            return response.read()

    def send(self, signal: str, body: dict) -> int:
        """Send OTLP as JSON; the status of the answer."""
        request = urllib.request.Request(
            f"{self.url('otlp_http')}/v1/{signal}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def exposition(self, job: str | None = None) -> Scrape:
        """What the Collector shows of a job now, without job and instance; of all with them."""
        lines = self.get("collector_metrics", "/metrics").decode().split("\n")
        # Parsing is slow, and most series are other jobs'.
        text = "\n".join(line for line in lines if job is None or not line or line[0] == "#" or f'job="{job}"' in line)
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        if job is None:
            return Scrape(samples)
        return Scrape(_without_identity(sample) for sample in samples if sample.labels.get("job") == job)

    def names(self, job: str) -> set[str]:
        """The names of all series that the Collector shows of a job."""
        return {sample.name for sample in self.exposition(job).samples} - {"target_info"}

    def query(self, expression: str, at: float | None = None) -> list[dict]:
        """Query Prometheus, as of a time in seconds of the epoch if one is given."""
        parameters = {"query": expression, **({} if at is None else {"time": at})}
        answer = json.loads(self.get("prometheus", f"/api/v1/query?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def stored(self, job: str) -> Scrape:
        """The newest value of each series that Prometheus has of a job, without job and instance."""
        return Scrape(
            _without_identity(Sample(labels.pop("__name__"), labels, float(found["value"][1])))
            for found in self.query(f'{{job="{job}"}}')
            for labels in [dict(found["metric"])]
        )

    def whole_trace(self, trace_id: str) -> list[dict]:
        """The spans of a trace once its root and all parents are there: spans arrive by several exports."""

        def is_whole() -> bool:
            spans = self.trace(trace_id)
            ids = {span["spanID"] for span in spans}
            parents = [{reference["spanID"] for reference in span["references"]} for span in spans]
            return not all(parents) and all(each <= ids for each in parents)

        until(is_whole)
        # Others than parents may follow.
        return settled(lambda: self.trace(trace_id))

    def trace(self, trace_id: str) -> list[dict]:
        """The spans that Jaeger has of a trace."""
        try:
            answer = json.loads(self.get("jaeger", f"/api/traces/{trace_id}"))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []
        return [span for trace in answer["data"] or [] for span in trace["spans"]]


def _without_identity(sample: Sample) -> Sample:
    labels = {name: value for name, value in sample.labels.items() if name not in IDENTITY}
    return sample._replace(labels=labels)
