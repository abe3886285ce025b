"""Writes kubernetes/rules.yaml, the rules as the Prometheus operator reads them: ``scripts/generate``.

All else in kubernetes/ is the files themselves, through kustomize.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from .programs import ROOT

TARGET = ROOT / "kubernetes" / "rules.yaml"
_HEADER = "# Written by scripts/generate from alerts/*_alerts.yml and alerts/*_rules.yml: change them there.\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # it comes without types
    """Writes an expression of several lines as lines."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def rules() -> Iterator[dict[str, Any]]:
    """A PrometheusRule for each file."""
    alerts = ROOT / "alerts"
    for path in sorted((*alerts.glob("*_alerts.yml"), *alerts.glob("*_rules.yml"))):
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": path.stem.replace("_", "-")},
            "spec": yaml.safe_load(path.read_text()),
        }


def text() -> str:
    """The whole file."""
    dumped: str = yaml.dump_all(rules(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return _HEADER + dumped


if __name__ == "__main__":
    TARGET.write_text(text())
