"""The kinds of panels, each with what all of its kind have in common."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, heatmap, piechart, stat, table, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import piechart as pie_model

from ._parts import (
    BLUE,
    GREEN,
    ORANGE,
    OVERALL,
    PURPLE,
    RED,
    SOURCE,
    YELLOW,
    Queries,
    Steps,
    both,
    coloured,
    links,
    newest,
    steps,
    targets,
    tooltip,
)

# What a value means is known by its name, so its colour does not depend on what else is shown.
COLOURS: dict[str, dict[str, str]] = {
    "class": {"1xx": BLUE, "2xx": GREEN, "3xx": BLUE, "4xx": ORANGE, "5xx": RED},
    "status": {"success": GREEN, "failed": RED, "cancelled": ORANGE},
    "result": {"hit": GREEN, "miss": ORANGE, "success": BLUE, "error": RED},
    "outcome": {"completed": GREEN, "client_disconnect": ORANGE, "error": RED},
    "severity": {"info": BLUE, "warning": ORANGE, "critical": RED},
    "operation": {"consume": ORANGE, "purchase": GREEN, "refund": BLUE},
    # Neither green nor red, which say that something is well or not.
    "service": {
        "midjourney": PURPLE,
        "flux": BLUE,
        "dreamwork": "#6ED0E0",
        "jimeng": YELLOW,
        "kling": ORANGE,
        "other": "#8E8EA0",
    },
    "user_role": {
        "anonymous": "#8E8EA0",
        "pending": YELLOW,
        "user": BLUE,
        "vip": PURPLE,
        "admin": ORANGE,
        "other": "#6ED0E0",
    },
    "送达": {"送达": GREEN},
    "未送达": {"未送达": RED},
    "无效": {"无效": ORANGE},
    "渠道未启用": {"渠道未启用": "#8E8EA0"},
    "p50": {"p50": GREEN},
    "p95": {"p95": ORANGE},
    "p99": {"p99": RED},
}


@dataclass(frozen=True, slots=True)
class About:
    """What a panel says of itself.

    Parameters:
        title: Its title.
        chinese: What it shows, and when to mind.
        english: The same.
        see: The dashboard that says more.
        alerts: The alerts that watch what it shows.
        width: Of 24.
        height: In rows of 30 pixels.
    """

    title: str
    chinese: str
    english: str
    see: str | None = None
    alerts: Sequence[str] = field(default=())
    width: int = 12
    height: int = 8


def _common(panel: Any, about: About, unit: str, levels: Steps, decimals: int | None) -> Any:
    panel = (
        panel.title(about.title)
        .description(both(about.chinese, about.english))
        .datasource(SOURCE)
        .span(about.width)
        .height(about.height)
        .unit(unit)
        .thresholds(steps(levels))
        .links(links(about.see, about.alerts))
    )
    return panel if decimals is None else panel.decimals(decimals)


def number(
    about: About,
    queries: Queries,
    unit: str = "short",
    levels: Steps = OVERALL,
    *,
    decimals: int | None = None,
    empty: str = "无数据",
    line: bool = True,
) -> stat.Panel:
    """One number, or a few, with its course behind it."""
    return (
        _common(stat.Panel(), about, unit, levels, decimals)
        .targets(targets(queries, instant=not line))
        .no_value(empty)
        .reduce_options(newest())
        .color_scheme(coloured("thresholds"))
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.AREA if line else options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.AUTO if len(queries) == 1 else options.BigValueTextMode.VALUE_AND_NAME)
    )


def course(
    about: About,
    queries: Queries,
    unit: str = "short",
    levels: Steps = (),
    *,
    stacked: bool = False,
    bars: bool = False,
    exemplars: bool = False,
    decimals: int | None = None,
    top: float | None = None,
    table_legend: bool = False,
) -> timeseries.Panel:
    """Values over time; levels are drawn as dashed lines."""
    calcs = ["mean", "max", "lastNotNull"] if table_legend else []
    panel = (
        _common(timeseries.Panel(), about, unit, levels or ((None, GREEN),), decimals)
        .targets(targets(queries, exemplars=exemplars))
        .color_scheme(coloured("palette-classic"))
        .draw_style(options.GraphDrawStyle.BARS if bars else options.GraphDrawStyle.LINE)
        .line_width(1 if bars or stacked else 2)
        .line_interpolation(options.LineInterpolation.LINEAR)
        .fill_opacity(60 if bars else 25 if stacked else 8)
        .show_points(options.VisibilityMode.AUTO)
        # A gap of a missed scrape is closed; that of an application that was down is not.
        .span_nulls(60_000)
        .min(0)
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                options.GraphThresholdsStyleMode.DASHED if levels else options.GraphThresholdsStyleMode.OFF
            )
        )
        .tooltip(tooltip())
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.TABLE if table_legend else options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(calcs)
        )
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if top is not None:
        panel = panel.max(top)
    return _by_name(panel, queries)


def pie(about: About, queries: Queries, unit: str = "short", *, decimals: int = 0) -> piechart.Panel:
    """Shares of a whole."""
    panel = (
        _common(piechart.Panel(), about, unit, OVERALL, decimals)
        .targets(targets(queries, instant=True))
        .color_scheme(coloured("palette-classic"))
        .pie_type(pie_model.PieChartType.DONUT)
        .reduce_options(newest())
        .tooltip(tooltip())
        .legend(
            piechart.PieChartLegendOptions()
            .display_mode(options.LegendDisplayMode.TABLE)
            .placement(options.LegendPlacement.RIGHT)
            .show_legend(True)
            .values([pie_model.PieChartLegendValues.VALUE, pie_model.PieChartLegendValues.PERCENT])
        )
    )
    return _by_name(panel, queries)


def bars(
    about: About,
    queries: Queries,
    unit: str = "short",
    levels: Steps = OVERALL,
    *,
    decimals: int | None = None,
    top: float | None = None,
    empty: str = "无数据",
) -> bargauge.Panel:
    """A bar for each series, coloured by its thresholds."""
    panel = (
        _common(bargauge.Panel(), about, unit, levels, decimals)
        .targets(targets(queries, instant=True))
        .no_value(empty)
        .reduce_options(newest())
        .color_scheme(coloured("thresholds"))
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .orientation(options.VizOrientation.HORIZONTAL)
        .show_unfilled(True)
        .min(0)
    )
    return panel if top is None else panel.max(top)


def heat(about: About, query: str, unit: str) -> heatmap.Panel:
    """A histogram over time: each bucket's observations."""
    return (
        _common(heatmap.Panel(), about, unit, OVERALL, None)
        .targets(targets([("{{le}}", query)], form="heatmap"))
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .fill("dark-orange")
            .scale(heatmap_model.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .cell_gap(1)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(options.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(options.HeatmapCellLayout.AUTO))
        .mode(options.TooltipDisplayMode.SINGLE)
        .show_legend()
    )


def rows(
    about: About,
    columns: Mapping[str, str],
    values: Sequence[tuple[str, str, str, Steps]],
    *,
    empty: str = "无数据",
) -> table.Panel:
    """A table: a row for each set of labels.

    Parameters:
        about: What it says of itself.
        columns: The labels that are shown, and their headings.
        values: Heading, query, unit and levels of each column of values; the first one sorts.
        empty: What is shown where there is nothing.
    """
    panel = (
        _common(table.Panel(), about, values[0][2], OVERALL, None)
        .targets(targets([("", query) for _, query, _, _ in values], instant=True, form="table"))
        .no_value(empty)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    )
    # One query gives the column Value, several give Value #A, Value #B, ...
    names = (
        ["Value"] if len(values) == 1 else [f"Value #{letter}" for letter, _ in zip("ABCDEFGH", values, strict=False)]
    )
    renamed = {**columns, **{name: heading for name, (heading, _, _, _) in zip(names, values, strict=True)}}
    panel = panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: position for position, name in enumerate(renamed)},
                "renameByName": renamed,
            },
        )
    )
    for heading, _, unit, levels in values:
        properties = [model.DynamicConfigValue(id_val="unit", value=unit)]
        if unit == "short":
            # Increases are extrapolated; nobody has had 3.2 requests.
            properties.append(model.DynamicConfigValue(id_val="decimals", value=0))
        if levels is not OVERALL:
            properties += [
                model.DynamicConfigValue(id_val="thresholds", value=steps(levels).build()),
                model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ]
        panel = panel.override_by_name(heading, properties)
    return panel.sort_by([common.TableSortByFieldState().display_name(values[0][0]).desc(True)]).cell_height(
        options.TableCellHeight.SM
    )


def _by_name(panel: Any, queries: Queries) -> Any:
    """Fixed colours for the names that have a meaning."""
    named = {
        name: colour
        for legend, _ in queries
        for word in re.findall(r"\w+", legend)
        for name, colour in COLOURS.get(word, {}).items()
    }
    for name, colour in named.items():
        panel = panel.override_by_name(
            name, [model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]
        )
    return panel
