"""Which metrics and labels an expression names that nobody makes.

The syntax tree is Prometheus' own. What is known comes from the catalogue; what others make is given by the caller.
"""

import re
from collections.abc import Iterator, Mapping

from tests.servers.prometheus import Tree
from wxiai_otel import Settings
from wxiai_otel.catalogue import CONTRACT, RULE_METRICS

# What a path to Prometheus adds to every series.
IDENTITY = frozenset({"job", "instance"})

# Open sets in the catalogue whose known values are settings.
_SERVICES = {*Settings().ai_services, "other"}
_EVENTS = {"login_failure", "login_failure_burst", "api_abuse", "suspicious_access", *Settings().security_event_types}


def catalogue() -> dict[str, frozenset[str]]:
    """The labels of every series that the catalogue's metrics make, by name."""
    known: dict[str, frozenset[str]] = {}
    for name, (_, metric) in CONTRACT.items():
        labels = frozenset(metric.labels) | IDENTITY
        if metric.type == "histogram":
            known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            known[name] = labels
    return known | {metric.name: frozenset(metric.labels) | IDENTITY for metric in RULE_METRICS}


class Names:
    """Checks expressions against what is known.

    Parameters:
        others: The labels of metrics that are not the catalogue's, by name.
    """

    def __init__(self, others: Mapping[str, frozenset[str]]) -> None:
        self._known = {**catalogue(), **others}

    def unknown(self, tree: Tree) -> list[str]:
        """What is wrong, one sentence each."""
        return list(self._problems(tree))

    def metrics(self, tree: Tree) -> set[str]:
        """The metrics that an expression names."""
        return {name for selector in _selectors(tree) for name in _names(selector)}

    def _problems(self, tree: Tree) -> Iterator[str]:
        if tree["type"] in {"vectorSelector", "matrixSelector"}:
            yield from self._selector_problems(tree)
            return
        for child in children(tree):
            yield from self._problems(child)
        available = frozenset().union(*map(self._labels, children(tree)))
        named: list[str] = []
        if tree["type"] == "aggregation":
            named = tree["grouping"]
        elif tree["type"] == "binaryExpr" and tree["matching"]:
            named = [*tree["matching"]["labels"], *tree["matching"]["include"]]
        elif tree["type"] == "call" and tree["func"]["name"] == "label_replace":
            named = [source] if (source := tree["args"][3]["val"]) else []
        for label in named:
            if label not in available:
                yield f"{label} is a label of none of what it is asked of"

    def _selector_problems(self, tree: Tree) -> Iterator[str]:
        for name in _names(tree):
            if name not in self._known:
                yield f"{name} is no known metric"
                continue
            for matcher in tree["matchers"]:
                label = matcher["name"]
                if label == "__name__":
                    continue
                if label not in self._known[name]:
                    yield f"{label} is no label of {name}"
                elif not _matches_something(matcher, _values(name, label)):
                    yield f"no {label} of {name} is {matcher['type']} {matcher['value']}"

    def labels(self, tree: Tree) -> frozenset[str]:
        """The labels of what an expression finds."""
        return self._labels(tree) - {"__name__"}

    def _labels(self, tree: Tree) -> frozenset[str]:
        """The labels that an expression's series may have."""
        kind = tree["type"]
        if kind in {"vectorSelector", "matrixSelector"}:
            return frozenset({"__name__"}).union(*(self._known.get(name, frozenset()) for name in _names(tree)))
        if kind == "binaryExpr" and tree["op"] in {"and", "unless"}:
            return self._labels(tree["lhs"])
        below = frozenset().union(*map(self._labels, children(tree)))
        if kind == "aggregation" and tree["op"] not in {"topk", "bottomk", "limitk", "limit_ratio"}:
            return below - set(tree["grouping"]) if tree["without"] else frozenset(tree["grouping"])
        match tree["func"]["name"] if kind == "call" else "":
            case "label_replace":
                return below | {tree["args"][1]["val"]}
            case "histogram_quantile":
                return below - {"le"}
            case "absent" | "absent_over_time":
                # Those that a selector asks to be equal to something: none, where it only names a metric.
                return frozenset()
        return below


def children(tree: Tree) -> list[Tree]:
    """The expressions that an expression is made of."""
    found = [tree[key] for key in ("expr", "lhs", "rhs", "param") if isinstance(tree.get(key), dict)]
    return found + [one for one in tree.get("args", []) if isinstance(one, dict)]


def _selectors(tree: Tree) -> Iterator[Tree]:
    if tree["type"] in {"vectorSelector", "matrixSelector"}:
        yield tree
    for child in children(tree):
        yield from _selectors(child)


def _names(selector: Tree) -> list[str]:
    """The metrics of a selector; alternatives where the name is a pattern."""
    for matcher in selector["matchers"]:
        if matcher["name"] == "__name__":
            return matcher["value"].split("|")
    return []


def _values(metric: str, label: str) -> set[str]:
    """The values that a label can have, where they are known."""
    if label == "service":
        return _SERVICES
    if label == "event_type":
        return _EVENTS
    for family in (metric, re.sub(r"_(bucket|sum|count)$", "", metric)):
        if family in CONTRACT and label in CONTRACT[family][1].labels:
            return set(CONTRACT[family][0].attribute_of(label).values)
    return set()


def _matches_something(matcher: Tree, values: set[str]) -> bool:
    if not values:
        return True
    if matcher["type"] == "=":
        return matcher["value"] in values
    if matcher["type"] == "=~":
        # Each alternative, so that a misspelt one is seen.
        return all(any(re.fullmatch(one, value) for value in values) for one in matcher["value"].split("|"))
    return True
