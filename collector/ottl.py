"""The Collector's transformation language, as far as the generated processors need it."""

from typing import Any

# Attributes that somebody has made long are cut.
BOUNDED = "truncate_all(datapoint.attributes, 1024)"
# Whole numbers and others cannot be added; the one that is not set is 0.
AS_DOUBLE = "set(datapoint.value_double, datapoint.value_double + Double(datapoint.value_int))"


def transform(*groups: dict[str, Any]) -> dict[str, Any]:
    """A transform processor."""
    return {"error_mode": "ignore", "metric_statements": list(groups)}


def group(context: str, statements: list[str], *conditions: str) -> dict[str, Any]:
    """Statements of a transform processor, done where one of the conditions holds."""
    if conditions:
        return {"context": context, "conditions": list(conditions), "statements": statements}
    return {"context": context, "statements": statements}


def dropping(*conditions: str) -> dict[str, Any]:
    """A filter processor: what one of the conditions holds for is dropped."""
    return {"error_mode": "ignore", "metric_conditions": list(conditions)}


def is_named(name: str) -> str:
    """Whether it is of a metric."""
    return f"metric.name == {quoted(name)}"


def at(key: str) -> str:
    """An attribute of a data point."""
    return f"datapoint.attributes[{quoted(key)}]"


def any_of(conditions: list[str]) -> str:
    """A condition with a line for each of its parts."""
    return "\n  or ".join(conditions)


def quoted(value: str) -> str:
    """A text."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def listed(values: tuple[str, ...]) -> str:
    """A list of texts."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def one_of(words: tuple[str, ...]) -> str:
    """A pattern that matches each of the words."""
    return "^(?:" + "|".join(word.replace(".", r"\.") for word in words) + ")$"
