"""Writes contract.yaml, the processors that make the contract of semantic conventions: ``scripts/generate``.

It is the second interpreter of the catalogue. The first, `wxiai_otel.prometheus`, works in process; both give the same
series. The order of the processors, and why each is there, is in base.yaml.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from wxiai_otel._version import SCOPE_NAME
from wxiai_otel.catalogue import CONTRACT, INSTRUMENTS, RULE_METRICS, Attribute, Instrument, Kind, Metric
from wxiai_otel.settings import Settings

from .database_errors import reduction
from .ottl import AS_DOUBLE, BOUNDED, any_of, at, dropping, group, is_named, listed, one_of, quoted, transform

TARGET = Path(__file__).with_name("contract.yaml")

# What any OpenTelemetry web application sends, whichever SDK it has.
SEMCONV = ("http.server.request.duration", "http.server.active_requests")
# opentelemetry.io/docs/specs/semconv/http/http-metrics: the default buckets, and the 0 that Java once had in front.
SEMCONV_BUCKETS = (0.0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# What a Prometheus name may have besides the words that tell it from others.
SUFFIXES = ("total", "seconds", "bytes", "ratio", "bucket", "count", "sum", "created")
# What Prometheus and the pipeline write themselves, alerts look at, and nobody is to send.
OTHERS_NAMES = ("ALERTS", "alertmanager", "otelcol", "prometheus", "scrape", "target_info", "up", "wxiai_otel")
# Labels that the exposition has a use of its own for.
OTHERS_LABELS = ("instance", "job", "le", "quantile")

RESOURCE_KEYS = (
    "deployment.environment.name",
    "host.name",
    "process.pid",
    "service.instance.id",
    "service.name",
    "service.namespace",
    "service.version",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
)

_TYPES = {
    Kind.COUNTER: "metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == true",
    Kind.OBSERVABLE_COUNTER: "metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == true",
    Kind.UP_DOWN_COUNTER: "metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == false",
    Kind.GAUGE: "metric.type == METRIC_DATA_TYPE_GAUGE",
    Kind.HISTOGRAM: "metric.type == METRIC_DATA_TYPE_HISTOGRAM",
}
_SUFFIX_OF_COUNT = ".count"
# Says of a metric that some of its series have become alike: in the unit, which the contract does not have.
_MARK = "to add up"
_TO_ADD_UP = f'metric.unit == "{_MARK}"'


def contract() -> dict[str, Any]:
    """The processors, by name."""
    semconv, own = " or ".join(_chosen_ofany_of()), " or ".join(_chosen_of_ours())
    ours = [instrument for instrument in INSTRUMENTS if instrument.name not in SEMCONV]
    return {
        "transform/resource": transform(*_resource()),
        "filter/semconv": dropping(f"not ({semconv})"),
        "transform/semconv": transform(*_semconv(), *_added_up(_semconv_instruments())),
        "groupbyattrs/scopes": {},
        "transform/count": transform(*_count()),
        "filter/semconv_points": dropping(*_unwanted_points(_semconv_instruments())),
        "transform/semconv_contract": transform(*_contract(_semconv_instruments())),
        "filter/contract": dropping(f"not ({own})"),
        "transform/labels": transform(group("datapoint", [BOUNDED]), *_added_up(ours), *_one_to_one(ours)),
        "filter/points": dropping(*_unwanted_points(ours)),
        "transform/contract": transform(*_contract(ours)),
        "filter/others": dropping(f"{semconv} or {own}", *_reserved()),
        "transform/others": transform(*_others()),
        "transform/database_errors": reduction(),
    }


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # it comes without types
    """Writes a condition of several lines as lines."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def text() -> str:
    """The whole file."""
    header = (
        "# Written by scripts/generate from wxiai_otel/catalogue and wxiai_otel/_database_errors: change it there.\n"
    )
    # The Collector reads $ as the beginning of a variable.
    processors = {"processors": _escaped(contract())}
    return header + str(yaml.dump(processors, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")))


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _chosen_of_ours() -> Iterator[str]:
    """The SDK's own metrics by scope, name and type."""
    for kind_of_type in dict.fromkeys(_TYPES.values()):
        names = tuple(
            instrument.name
            for instrument in INSTRUMENTS
            if _TYPES[instrument.kind] == kind_of_type and instrument.name not in SEMCONV
        )
        if names:
            scope = f"scope.name == {quoted(SCOPE_NAME)}"
            yield f"({scope} and {kind_of_type} and IsMatch(metric.name, {quoted(one_of(names))}))"


def _chosen_ofany_of() -> Iterator[str]:
    """HTTP's metrics of any SDK."""
    for instrument in _semconv_instruments():
        types = f"({_TYPES[instrument.kind]})"
        if instrument.kind is Kind.HISTOGRAM:
            # Its count is exact in both; its buckets are not.
            types = f"({types} or metric.type == METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM)"
            types = f"{types} and metric.unit == {quoted(instrument.unit)}"
        yield f"({is_named(instrument.name)} and {types})"


def _semconv_instruments() -> list[Instrument]:
    return [instrument for instrument in INSTRUMENTS if instrument.name in SEMCONV]


def _is_one_to_one(instrument: Instrument) -> bool:
    """Whether each series becomes one of the contract, unless its attributes are not as they should be."""
    if instrument.name in SEMCONV:
        return False
    return len(instrument.metrics) == 1 and all(
        attribute.label and not attribute.rename for attribute in instrument.attributes
    )


def _resource() -> Iterator[dict[str, Any]]:
    """Every series has a job and an instance, and target_info a few labels."""
    attributes = "resource.attributes"
    host, pid, instance = (f'{attributes}["{key}"]' for key in ("host.name", "process.pid", "service.instance.id"))
    yield group(
        "resource",
        [
            f"keep_keys({attributes}, {listed(RESOURCE_KEYS)})",
            f"truncate_all({attributes}, 256)",
            f'set({attributes}["service.name"], "unknown_service") where {attributes}["service.name"] == nil',
            f'set({instance}, Concat([{host}, {pid}], ":")) where {instance} == nil and {host} != nil and {pid} != nil',
            f"set({instance}, {host}) where {instance} == nil and {host} != nil",
            f'set({instance}, "unknown") where {instance} == nil',
        ],
    )


def _semconv() -> Iterator[dict[str, Any]]:
    """What other SDKs send is bounded, and brought into one scope, so that it can be added up."""
    method = at("http.request.method")
    known = quoted(one_of(Settings().known_methods))
    foreign = f"scope.name != {quoted(SCOPE_NAME)}"
    yield group(
        "datapoint",
        [
            BOUNDED,
            f'set({method}, "_OTHER") where {foreign} and {method} != nil and not IsMatch({method}, {known})',
        ],
    )
    for instrument in _semconv_instruments():
        yield group("metric", [f"set(metric.description, {quoted(instrument.description)})"], is_named(instrument.name))
        if instrument.buckets:
            yield group(
                "datapoint",
                [f"merge_histogram_buckets({bound})" for bound in SEMCONV_BUCKETS if bound not in instrument.buckets],
                # The SDK has the contract's.
                f"{is_named(instrument.name)} and {foreign}",
            )
    yield group(
        "scope", ['set(scope.name, "")', 'set(scope.version, "")', 'delete_matching_keys(scope.attributes, "")']
    )


def _of_count() -> Iterator[tuple[Instrument, Metric]]:
    return (pair for pair in CONTRACT.values() if pair[1].of_count)


def _count() -> Iterator[dict[str, Any]]:
    for instrument, _ in _of_count():
        yield group("metric", [f"extract_count_metric(true, {quoted(_SUFFIX_OF_COUNT)})"], is_named(instrument.name))


def _unwanted_points(instruments: list[Instrument]) -> Iterator[str]:
    """Points that are no part of a histogram, and those whose buckets are not the contract's: they cannot be added."""
    for instrument, metric in _metrics_of(instruments):
        if metric.type == "histogram":
            bounds = "[" + ",".join(str(bound).removesuffix(".0") for bound in instrument.buckets) + "]"
            unwanted = [
                "metric.type != METRIC_DATA_TYPE_HISTOGRAM",
                f"Len(datapoint.bucket_counts) != {len(instrument.buckets) + 1}",
                f"String(datapoint.explicit_bounds) != {quoted(bounds)}",
            ]
            if metric.unless:
                unwanted.insert(0, f"{at(metric.unless)} != nil")
            yield f"{is_named(instrument.name)} and ({' or '.join(unwanted)})"


def _metrics_of(instruments: list[Instrument]) -> Iterator[tuple[Instrument, Metric]]:
    return ((instrument, metric) for instrument in instruments for metric in instrument.metrics)


def _added_up(instruments: list[Instrument]) -> Iterator[dict[str, Any]]:
    """All labels of whatever becomes of an instrument, where its series are added up in any case."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for instrument in instruments:
        if not _is_one_to_one(instrument):
            labels = dict.fromkeys(label for metric in instrument.metrics for label in metric.labels)
            statements = [statement for label in labels for statement in _label(label, instrument.attribute_of(label))]
            if statements:
                alike.setdefault(tuple(statements), []).append(instrument.name)
    for found, names in alike.items():
        yield group("datapoint", list(found), *(is_named(name) for name in names))


def _one_to_one(instruments: list[Instrument]) -> Iterator[dict[str, Any]]:
    """Labels where each series is one of the contract's: those that are not as they should be are marked and mended.

    A group's conditions are asked of every point, and cost more than what is done to a few: so there is one of all.
    """
    renamed: dict[Attribute, list[str]] = {}
    added_up = [instrument.name for instrument in instruments if not _is_one_to_one(instrument)]
    alike: dict[int, dict[tuple[Attribute, ...], list[str]]] = {}
    for instrument in filter(_is_one_to_one, instruments):
        attributes = instrument.attributes
        alike.setdefault(len(attributes), {}).setdefault(attributes, []).append(instrument.name)
        for attribute in attributes:
            if attribute.key != attribute.label:
                renamed.setdefault(attribute, []).append(instrument.name)
    for attribute, names in renamed.items():
        yield group("datapoint", list(_renamed(attribute)), *(is_named(name) for name in names))
    sound = [
        *(is_named(name) for name in added_up),
        *(_sound(count, alike[count]) for count in sorted(alike, reverse=True)),
    ]
    yield group("datapoint", [f"set(metric.unit, {quoted(_MARK)})"], f"not ({any_of(sound)})")
    statements = [
        statement
        for kinds in alike.values()
        for attributes, names in kinds.items()
        for attribute in attributes
        for statement in _mended(attribute, " or ".join(is_named(name) for name in names))
    ]
    statements.append(f"{AS_DOUBLE} where metric.type != METRIC_DATA_TYPE_HISTOGRAM")
    yield group("datapoint", statements, _TO_ADD_UP)


def _renamed(attribute: Attribute) -> Iterator[str]:
    given, target = at(attribute.key), at(attribute.label)
    doubtful = f'{given} == "" or {given} == {quoted(attribute.absent)} or {target} != nil'
    yield f"set(metric.unit, {quoted(_MARK)}) where {doubtful}"
    yield f"set({target}, {quoted(attribute.absent)})"
    yield f'set({target}, {given}) where {given} != ""'
    yield f"delete_key(datapoint.attributes, {quoted(attribute.key)})"


def _sound(count: int, kinds: dict[tuple[Attribute, ...], list[str]]) -> str:
    """A point that has the labels of its metric, each a word, and nothing else."""
    found = []
    for attributes, names in kinds.items():
        words = "".join(
            f' and IsString({at(attribute.label)}) and {at(attribute.label)} != ""' for attribute in attributes
        )
        found.append(f"(({' or '.join(is_named(name) for name in names)}){words})")
    return f"(Len(datapoint.attributes) == {count} and ({any_of(found)}))"


def _mended(attribute: Attribute, named: str) -> Iterator[str]:
    target = at(attribute.label)
    yield f"set({target}, String({target})) where ({named}) and {target} != nil"
    yield f'set({target}, {quoted(attribute.absent)}) where ({named}) and ({target} == nil or {target} == "")'


def _contract(instruments: list[Instrument]) -> Iterator[dict[str, Any]]:
    """One series for each combination of labels, under the contract's name."""
    for instrument, metric in _metrics_of(instruments):
        name = instrument.name + _SUFFIX_OF_COUNT if metric.of_count else instrument.name
        if instrument.name in SEMCONV and metric.type != "histogram" and not metric.of_count:
            # Of several series, which other SDKs have.
            yield group("datapoint", [AS_DOUBLE], is_named(name))
        add_up = f'aggregate_on_attributes("sum", {listed(metric.labels)})'
        yield group(
            "metric",
            [
                f"{add_up} where {_TO_ADD_UP}" if _is_one_to_one(instrument) else add_up,
                f"set(metric.description, {quoted(instrument.description)})",
                'set(metric.unit, "")',
                f"set(metric.name, {quoted(metric.name)})",
            ],
            is_named(name),
        )


def _label(label: str, attribute: Attribute) -> Iterator[str]:
    given, target = at(attribute.key), at(label)
    if attribute.key == label:
        yield f"set({target}, String({target})) where not IsString({target})"
        yield f'set({target}, {quoted(attribute.absent)}) where {target} == nil or {target} == ""'
    else:
        # Whatever else was sent under the label's name is overwritten; setting what is not there changes nothing.
        yield f"set({target}, {quoted(attribute.absent)})"
        yield f'set({target}, String({given})) where {given} != ""'
    for one, other in attribute.rename:
        yield f"set({target}, {quoted(other)}) where {target} == {quoted(one)}"


def _reserved() -> Iterator[str]:
    """Names that would come out of the exporter as a name of the contract's, of a rule's or of the pipeline's own.

    The exporter joins the words of the name with the unit, and moves or adds suffixes.
    """
    separator, optional = "[^a-zA-Z0-9]", rf"(?:[^a-zA-Z0-9]+(?:{'|'.join(SUFFIXES)}))*"
    unit = r"(?:[^a-zA-Z0-9]+(?:s|By|1|\{.*))?"
    bases = dict.fromkeys(_words(name) for name in (*CONTRACT, *(metric.name for metric in RULE_METRICS)))
    names = "|".join(f"{optional}{separator}+".join(words) for words in bases)
    others = "|".join(f"{separator}+".join(name.split("_")) for name in OTHERS_NAMES)
    first = rf"(?s)^{separator}*(?:(?:{'|'.join(SUFFIXES)}){separator}+)*"
    contract_names = f"{first}(?:{names}){optional}{unit}{separator}*$"
    for named in ("metric.name", 'Concat([metric.name, metric.unit], "_")'):
        yield f"IsMatch({named}, {quoted(contract_names)})"
    yield f"IsMatch(metric.name, {quoted(f'(?s)^{separator}*(?:{others})(?:{separator}.*)?$')})"
    # Names of recording rules.
    yield 'IsMatch(metric.name, ":")'
    # More than an exporter of good will has, and labels cannot be left out at random.
    yield "Len(datapoint.attributes) > 32"


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in name.split("_") if word not in SUFFIXES)


def _others() -> Iterator[dict[str, Any]]:
    yield group(
        "datapoint",
        [
            *(f"delete_key(datapoint.attributes, {quoted(label)})" for label in OTHERS_LABELS),
            "truncate_all(datapoint.attributes, 256)",
        ],
    )
    yield group(
        "metric", ["set(metric.description, Substring(metric.description, 0, 256))"], "Len(metric.description) > 256"
    )


def main() -> None:
    """Write the file."""
    TARGET.write_text(text())


if __name__ == "__main__":
    main()
