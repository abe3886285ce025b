"""VictoriaMetrics beside Prometheus: the same series pushed, the same rules, the same answers."""

import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.resources import Resource

from dashboards.files import UIDS, load, panels, variables
from dashboards.variables import Window, replaced
from stack.binaries import find
from tests.alerts.files import RULES
from tests.integration import kept
from tests.integration.test_parity import everything_recorded
from tests.servers.pipeline import Pipeline
from tests.servers.ports import free_port
from tests.servers.program import answers, program
from tests.servers.shared import shared
from tests.until import until

# The first one starts what others share, which may take long beside them.
pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

# It keeps twelve digits.
DIGITS = 1e-11


def newest(pipeline, port, job) -> dict[tuple, float]:
    """The newest value of each series of a job; le as a number, since the two write it in different ways."""
    query = urllib.parse.urlencode({"query": f'{{job="{job}"}}', "step": "1m"})
    found = {}
    for one in json.loads(pipeline.get(port, f"/api/v1/query?{query}"))["data"]["result"]:
        labels = {key: float(value) if key == "le" else value for key, value in one["metric"].items()}
        found[tuple(sorted(labels.items()))] = float(one["value"][1])
    # What rules make is each one's own.
    return {
        key: value
        for key, value in found.items()
        if "instance" in dict(key) and not dict(key)["__name__"].startswith("ALERTS")
    }


def differing(some, others) -> dict:
    return {
        key: (some.get(key), others.get(key))
        for key in some.keys() | others.keys()
        if key not in some or key not in others or not math.isclose(some[key], others[key], rel_tol=DIGITS)
    }


def test_every_metric_of_the_catalogue_is_pushed_as_prometheus_scrapes_it(other_pipeline, job):
    exporter = OTLPMetricExporter(endpoint=f"{other_pipeline.url('otlp_http')}/v1/metrics")
    resource = Resource({"service.name": job, "service.instance.id": "1", "service.version": "1"})
    with everything_recorded(exporter, resource):
        until(lambda: len(newest(other_pipeline, "prometheus", job)) > 1000)
        until(
            lambda: differing(*(newest(other_pipeline, port, job) for port in ("prometheus", "victoriametrics"))),
            equals={},
        )


def test_vmalert_evaluates_every_rule_without_an_error(other_pipeline):
    def evaluated():
        groups = json.loads(other_pipeline.get("vmalert", "/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return sorted((rule["name"], rule["lastError"], rule["lastEvaluation"][:4] > "2000") for rule in rules)

    expected = sorted((rule.name, "", True) for rule in RULES)
    until(evaluated, timeout=90, equals=expected)


def test_the_pipelines_own_metrics_are_scraped_as_prometheus_does(other_pipeline):
    def jobs(port):
        query = urllib.parse.urlencode({"query": "count by (job) (up == 1)"})
        answer = json.loads(other_pipeline.get(port, f"/api/v1/query?{query}"))
        return {one["metric"]["job"] for one in answer["data"]["result"]}

    every = {"collector", "prometheus", "alertmanager", "jaeger", "bridge"}
    until(lambda: jobs("prometheus"), equals=every | {"applications"})
    until(lambda: jobs("victoriametrics"), equals=every)


# ---- the same answers: one hour of data in which each counter grows evenly, given to both ----

SCRAPE = 15
SAMPLES = 80 * 60 // SCRAPE
COUNTERS = re.compile(r"_(?:total|bucket|count|sum)$|^otelcol_(?:receiver|exporter_(?:sent|send|enqueue)|processor)_")


@dataclass
class Engines:
    """Both, with the same data, and when it ends."""

    prometheus: str
    victoriametrics: str
    end: int
    job: str

    def ask(self, url, query, **parameters) -> dict[str, float]:
        form = urllib.parse.urlencode({"query": query, "time": self.end, **parameters})
        with urllib.request.urlopen(f"{url}/api/v1/query?{form}", timeout=30) as response:
            found = json.load(response)["data"]["result"]
        values = {}
        for one in found:
            # A function keeps the name here and not there.
            labels = {key: value for key, value in one["metric"].items() if key != "__name__"}
            if not math.isnan(value := float(one["value"][1])):
                values[json.dumps(labels, sort_keys=True)] = value
        return values

    def answers(self, query):
        """Of Prometheus, of VictoriaMetrics."""
        return self.ask(self.prometheus, query), self.ask(self.victoriametrics, query, step=f"{2 * SCRAPE}s")


def grown(labels, rank) -> float:
    """By how much a series grows between two samples: no two alike, since topk() has to choose.

    Buckets grow by their order, so slowly that a p95 is not in the last one, whose quantiles are all alike.
    """
    own = zlib.crc32(json.dumps({key: labels[key] for key in sorted(labels) if key != "le"}).encode()) / 2**32
    return (rank + 1) ** (0.1 + own / 5) if "le" in labels else 1 + own


def samples(found, end):
    """Each series seen, with its labels and values over an hour."""
    bounds: dict[str, list[float]] = {}
    for one in found:
        if "le" in one["metric"]:
            bounds.setdefault(one["metric"]["__name__"], []).append(float(one["metric"]["le"]))
    for one in found:
        labels, now = one["metric"], float(one["value"][1])
        if math.isnan(now):
            continue
        name = labels["__name__"]
        rank = sorted(set(bounds[name])).index(float(labels["le"])) if "le" in labels else 0
        # Counters begin at 0: one that begins with a little has had that as an increase for VictoriaMetrics.
        first, step = (0.0, grown(labels, rank)) if COUNTERS.search(name) else (now, 0.0)
        yield labels, [(first + step * n, end - (SAMPLES - 1 - n) * SCRAPE) for n in range(SAMPLES)]


def escaped(value: str) -> str:
    """As OpenMetrics has it: nothing but these, unlike JSON."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def openmetrics(series) -> str:
    lines = []
    by_name: dict[str, list] = {}
    for labels, values in series:
        by_name.setdefault(labels["__name__"], []).append((labels, values))
    for name, all_of_it in sorted(by_name.items()):
        lines.append(f"# TYPE {name} unknown")
        for labels, values in all_of_it:
            written = ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items() if key != "__name__")
            lines.extend(f"{name}{{{written}}} {value!r} {at}" for value, at in values)
    return "\n".join([*lines, "# EOF", ""])


def imported(series) -> bytes:
    return "\n".join(
        json.dumps({"metric": labels, "values": [v for v, _ in values], "timestamps": [at * 1000 for _, at in values]})
        for labels, values in series
    ).encode()


@contextmanager
def victoriametrics(folder):
    port = free_port()
    options = [f"-storageDataPath={folder / 'vm'}", f"-httpListenAddr=127.0.0.1:{port}", "-search.latencyOffset=0s"]
    url = f"http://127.0.0.1:{port}"
    with program([find("victoria-metrics"), *options], lambda: answers(f"{url}/health"), log=folder / "vm.log"):
        yield url


@contextmanager
def prometheus(folder):
    port = free_port()
    (folder / "prometheus.yml").write_text("{}")
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'blocks'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with program([find("prometheus"), *options], lambda: answers(f"{url}/-/ready"), log=folder / "prometheus.log"):
        yield url


@contextmanager
def filled(folder):
    """Both, with the series of the pipeline under the demo's traffic, an even hour of each."""
    run = folder.parents[1]
    with shared(run, kept.STACK, 120) as stack, shared(run, kept.TRAFFIC, 240) as traffic:
        pipeline, at = Pipeline(Path(stack)), traffic["at"]
        # Other tests have many series. Recording rules over all jobs have their labels too, and those with a backslash
        # are not matched there: docs/victoriametrics.md.
        found = [
            one
            for one in pipeline.query('{__name__!="",job!~".*test-.*"}', at)
            if not any("\\" in value for value in one["metric"].values())
        ]
    end = int(time.time()) // SCRAPE * SCRAPE
    series = list(samples(found, end))
    (folder / "series.txt").write_text(openmetrics(series))
    made = [find("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "blocks"]
    subprocess.run(made, check=True, capture_output=True)
    with prometheus(folder) as one, victoriametrics(folder) as other:
        urllib.request.urlopen(f"{other}/api/v1/import", imported(series)).close()
        urllib.request.urlopen(f"{other}/internal/force_flush").close()
        yield {"prometheus": one, "victoriametrics": other, "end": end, "job": traffic["job"]}


@pytest.fixture(scope="module")
def engines(run):
    with shared(run, f"{__name__}:filled", 240) as found:
        yield Engines(**found)


def apart(one, other) -> float:
    """The largest relative difference of two answers, which have the same series."""
    return max((abs(one[key] - other[key]) / max(abs(one[key]), abs(other[key]), 1e-9) for key in one), default=0)


def test_rules_get_the_same_answers(engines):
    seen = {rule.id: engines.answers(rule.expr) for rule in RULES}
    assert {name: one.keys() ^ other.keys() for name, (one, other) in seen.items() if one.keys() != other.keys()} == {}
    assert {name: apart(one, other) for name, (one, other) in seen.items() if apart(one, other) > 0.01} == {}
    assert sum(bool(one) for one, _ in seen.values()) > len(RULES) / 3


def panel_queries(job, end):
    for uid in UIDS:
        chosen = {name: [] for name in variables(load(uid))} | {"job": [job]}
        for panel in panels(load(uid)):
            for target in panel["targets"]:
                # With so many points $__rate_interval is a minute: whole scrapes, since MetricsQL does not extend.
                yield f"{uid} {panel['title']}", replaced(target["expr"], chosen, Window(end - 3600, end, 66))


def test_panels_get_the_same_answers(engines):
    seen = [(title, query, *engines.answers(query)) for title, query in panel_queries(engines.job, engines.end)]
    assert [(title, query) for title, query, one, other in seen if one.keys() != other.keys()] == []
    assert [(title, query, apart(*both)) for title, query, *both in seen if apart(*both) > 0.01] == []
    assert sum(bool(one) for _, _, one, _ in seen) > 0.8 * len(seen)
