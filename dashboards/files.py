"""The committed dashboards, as Grafana would load them."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("json")

# In the order in which they are listed.
UIDS = (
    "wxiai-business",
    "wxiai-http",
    "wxiai-database",
    "wxiai-cache",
    "wxiai-security",
    "wxiai-slo",
    "wxiai-pipeline",
)


def load(uid: str) -> dict[str, Any]:
    """A dashboard.

    Raises:
        KeyError: There is none of this uid.
    """
    if uid not in UIDS:
        raise KeyError(uid)
    read: dict[str, Any] = json.loads((FOLDER / f"{uid}.json").read_text())
    return read


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels, rows left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its variables that are asked of Prometheus, by name."""
    return {one["name"]: one for one in dashboard["templating"]["list"] if one["type"] == "query"}
