"""The Collector's configuration, step by step: each pipeline alone, with one processor or group of statements more."""

from copy import deepcopy

from . import otelcol

# Whose groups are asked of every point: each of them is a step of its own.
_BY_GROUP = ("transform/semconv", "transform/labels")


def steps() -> dict[str, otelcol.Config]:
    """Configurations by name, each with one thing more than the one before it."""
    found = {"empty": otelcol.without_exposition(otelcol.empty())}
    whole = otelcol.ours()
    for pipeline, parts in whole["service"]["pipelines"].items():
        used: list[str] = []
        for processor in parts["processors"]:
            used.append(processor)
            name = f"{pipeline}: {processor}"
            if processor not in _BY_GROUP:
                found[name] = _alone(whole, pipeline, used)
                continue
            groups = whole["processors"][processor]["metric_statements"]
            for number, group in enumerate(groups, 1):
                config = _alone(whole, pipeline, used)
                config["processors"][processor]["metric_statements"] = deepcopy(groups[:number])
                found[f"{name} {number}: {_summary(group)}"] = config
    found["all"] = otelcol.without_exposition(otelcol.ours())
    return found


def _alone(whole: otelcol.Config, pipeline: str, processors: list[str]) -> otelcol.Config:
    config = deepcopy(whole)
    parts = config["service"]["pipelines"][pipeline]
    config["service"]["pipelines"] = {pipeline: {**parts, "processors": list(processors)}}
    return otelcol.without_exposition(config)


def _summary(group: dict[str, list[str]]) -> str:
    first = group["statements"][0]
    return first if len(first) <= 60 else f"{first[:57]}..."
