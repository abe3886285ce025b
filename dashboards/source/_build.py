"""A dashboard of sections of panels, and its JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from ._parts import DASHBOARDS, RED, SOURCE, TAG, both, variables

# Watchdog always fires.
_FIRING = 'max by (alertname, severity) (ALERTS{alertstate="firing",alertname!="Watchdog"})'


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading; the first ones of a dashboard have none."""

    title: str | None
    panels: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Parameters:
        uid: Its address; its title is in `DASHBOARDS`.
        chinese: What it shows.
        english: The same.
        sections: Its panels.
        service: Whether one can choose AI services.
        since: How far back it looks at first.
        refresh: How often it asks anew.
    """

    uid: str
    chinese: str
    english: str
    sections: Sequence[Section]
    service: bool = False
    since: str = "now-1h"
    refresh: str = "10s"

    def to_json(self) -> str:
        """The classic schema of Grafana, as it is committed."""
        made = (
            build.Dashboard(DASHBOARDS[self.uid])
            .uid(self.uid)
            .description(both(self.chinese, self.english))
            .tags([TAG])
            .timezone("browser")
            .time(self.since, "now")
            .refresh(self.refresh)
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .variables(variables(service=self.service))
            .annotation(
                build.AnnotationQuery()
                .name("告警 Alerts")
                .datasource(SOURCE)
                .enable(True)
                .icon_color(RED)
                .expr(_FIRING)
            )
            .link(
                build.DashboardLink("WXIAI")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .include_vars(True)
                .keep_time(True)
            )
        )
        for section in self.sections:
            if section.title is not None:
                made = made.with_row(build.Row(section.title))
            for panel in section.panels:
                made = made.with_panel(panel)
        return _written(made.build())


def _written(dashboard: model.Dashboard) -> str:
    data = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    for number, panel in enumerate(data["panels"], 1):
        panel["id"] = number
    # Grafana has these for Prometheus, the SDK has not.
    data["annotations"]["list"][0].update(titleFormat="{{alertname}}", textFormat="{{severity}}", step="10s")
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
