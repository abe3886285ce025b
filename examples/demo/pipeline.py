"""The running stack as the demo uses it: where the application sends to, and what Prometheus then has."""

import json
import math
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack.errors import StackError
from stack.running import default_data, down, status, up, url
from stack.state import read_state
from wxiai_otel.catalogue import CONTRACT

from .servers import DemoError

ARRIVES_WITHIN = 30


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The addresses that the demo needs."""

    otlp: str
    prometheus: str
    jaeger: str


@contextmanager
def running_stack() -> Iterator[Pipeline]:
    """The stack of scripts/stack; one that was not running is ended again."""
    data = default_data()
    ours = not status(data)
    try:
        up(data)
    except StackError as error:
        raise DemoError(str(error)) from None
    try:
        state = read_state(data)
        yield Pipeline(url(state, "otlp_http"), url(state, "prometheus"), url(state, "jaeger"))
    finally:
        if ours:
            down(data)


def stored_exposition(prometheus: str, instance: str, embedded: str) -> str:
    """What Prometheus has of an instance, as the text of an exposition, once it has as many requests as the instance.

    Parameters:
        prometheus: Its address.
        instance: The instance.
        embedded: The exposition of the instance itself.
    """
    wanted = _requests(embedded)
    deadline = time.monotonic() + ARRIVES_WITHIN
    while time.monotonic() < deadline:
        text = "".join(_family(prometheus, name, instance) for name in CONTRACT)
        if _requests(text) >= wanted:
            return text
        time.sleep(0.5)
    raise DemoError(f"{prometheus} has not all requests after {ARRIVES_WITHIN} s")


def _requests(text: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "http_requests_total"
    )


def _family(prometheus: str, name: str, instance: str) -> str:
    _, metric = CONTRACT[name]
    names = "|".join(f"{name}{part}" for part in ("_bucket", "_sum", "_count")) if metric.type == "histogram" else name
    query = urllib.parse.urlencode({"query": f'{{__name__=~"{names}",instance="{instance}"}}'})
    answer = httpx.get(f"{prometheus}/api/v1/query?{query}", trust_env=False).raise_for_status().json()
    lines = [_sample(found["metric"], float(found["value"][1])) for found in answer["data"]["result"]]
    return "\n".join((f"# TYPE {name} {metric.type}", *sorted(lines), "")) if lines else ""


def _sample(labels: dict[str, str], value: float) -> str:
    pairs = ",".join(
        f"{name}={json.dumps(text, ensure_ascii=False)}"
        for name, text in labels.items()
        if name not in {"__name__", "job", "instance"}
    )
    return f"{labels['__name__']}{{{pairs}}} {value if not math.isnan(value) else 'NaN'}"
