"""What a query asks for, read from Prometheus' own parser."""

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.promql import children


@dataclass
class Selector:
    """A metric in a query, with the labels that it is asked by, and the aggregations around it, the nearest first."""

    name: str
    labels: set[str]
    around: list[str] = field(default_factory=list)


@dataclass
class Grouping:
    """The labels that an aggregation or a matching keeps, and the metrics below it."""

    labels: set[str]
    below: list[Selector]
    made: set[str]


def parsed(pipeline, query: str) -> dict:
    answer = json.loads(pipeline.get("prometheus", f"/api/v1/parse_query?{urllib.parse.urlencode({'query': query})}"))
    assert answer["status"] == "success", answer
    return answer["data"]


def selectors(node: dict, around: tuple[str, ...] = ()) -> Iterator[Selector]:
    """The metrics of a query."""
    if node["type"] in {"vectorSelector", "matrixSelector"}:
        labels = {matcher["name"] for matcher in node["matchers"]} - {"__name__"}
        yield Selector(node["name"], labels, list(around))
    if node["type"] == "aggregation":
        around = (node["op"], *around)
    for child in children(node):
        yield from selectors(child, around)


def groupings(node: dict) -> Iterator[Grouping]:
    """The groupings of a query."""
    labels = None
    if node["type"] == "aggregation":
        labels = node["grouping"]
    elif node["type"] == "binaryExpr" and node.get("matching"):
        labels = node["matching"]["labels"]
    if labels:
        yield Grouping(set(labels), list(selectors(node)), set(_made(node)))
    for child in children(node):
        yield from groupings(child)


def _made(node: dict) -> Iterator[str]:
    if node["type"] == "call" and node["func"]["name"] == "label_replace":
        yield node["args"][1]["val"]
    for child in children(node):
        yield from _made(child)
