"""What all dashboards are made of: queries, links, thresholds, variables.

In a query ``{@}`` stands for the series of the jobs and instances that are selected.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, prometheus
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as query_model

SELECTED = 'job=~"$job",instance=~"$instance"'
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS = "http://localhost:9095/runbooks"
TAG = "wxiai"

GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "text"

DASHBOARDS = {
    "wxiai-business": "WXIAI 业务监控仪表板",
    "wxiai-http": "WXIAI HTTP 接口",
    "wxiai-database": "WXIAI 数据库",
    "wxiai-cache": "WXIAI 缓存",
    "wxiai-security": "WXIAI 安全",
    "wxiai-slo": "WXIAI SLO 与错误预算",
    "wxiai-pipeline": "WXIAI 监控管道自身",
}

# A series' legend, and its query.
Queries = Sequence[tuple[str, str]]
# From which value on there is which colour; the first one has no value.
Steps = Sequence[tuple[float | None, str]]

OVERALL: Steps = ((None, BLUE),)
ANY_IS_BAD: Steps = ((None, GREEN), (1, RED))


def expression(text: str) -> str:
    """A query with the selection in the place of ``{@}``."""
    return text.replace("{@", "{" + SELECTED)


def quantile(share: float, buckets: str, *by: str) -> str:
    """A quantile of a histogram. Where nothing was observed it is absent instead of NaN, which panels would show."""
    return f"histogram_quantile({share}, sum by ({', '.join((*by, 'le'))}) ({buckets})) >= 0"


def top(count: int, by: str, query: str) -> str:
    """The largest series over all the time shown. ``topk`` alone chooses at each moment anew, and shows all it chose.

    Parameters:
        count: How many.
        by: The labels that tell the series apart.
        query: With ``WINDOW`` in the place of its range.
    """
    shown = query.replace("WINDOW", "$__rate_interval")
    ranked = query.replace("[WINDOW]", "[$__range] @ end()")
    return f"{shown} and on ({by}) topk({count}, {ranked})"


def short_instance(query: str) -> str:
    """A query whose series have a label ``worker``: the instance, of which a UUID is cut to its first eight digits."""
    return f'label_replace({query}, "worker", "$1$2", "instance", "(?:([0-9a-f]{{8}})-[0-9a-f-]{{27}}|(.+))")'


def both(chinese: str, english: str) -> str:
    """A description for two readers."""
    return f"{chinese}\n\n{english}"


def targets(
    queries: Queries, *, instant: bool = False, exemplars: bool = False, form: str = "time_series"
) -> list[prometheus.Dataquery]:
    """The queries of a panel.

    Parameters:
        queries: Legends and expressions.
        instant: Whether only the newest value is asked for.
        exemplars: Whether traces are shown as points; for queries of histograms.
        form: Prometheus' format: time_series, table or heatmap.
    """
    made = []
    for letter, (legend, text) in zip("ABCDEFGH", queries, strict=False):
        target = (
            prometheus.Dataquery()
            .ref_id(letter)
            .datasource(SOURCE)
            .expr(expression(text))
            .legend_format(legend)
            .format(query_model.PromQueryFormat(form))
            .editor_mode(query_model.QueryEditorMode.CODE)
        )
        target = target.instant() if instant else target.range()
        made.append(target.exemplar(exemplars))
    return made


def steps(levels: Steps) -> build.ThresholdsConfig:
    """Thresholds by absolute values."""
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in levels])
    )


def coloured(mode: str, colour: str | None = None) -> build.FieldColor:
    """How series get their colours."""
    made = build.FieldColor().mode(model.FieldColorModeId(mode))
    return made.fixed_color(colour) if colour else made


def newest() -> common.ReduceDataOptions:
    """One value of a series: its last."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def tooltip() -> common.VizTooltipOptions:
    """All series at a moment, the largest first."""
    return common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)


def links(uid: str | None, alerts: Sequence[str]) -> list[build.DashboardLink]:
    """From a panel to the dashboard that says more, and to the runbooks of the alerts that watch what it shows."""
    found = []
    if uid:
        url = f"/d/{uid}?${{__url_time_range}}&${{job:queryparam}}&${{instance:queryparam}}"
        found.append(_link(f"→ {DASHBOARDS[uid]}", url, new_tab=False))
    found.extend(_link(f"处理手册 {alert}", f"{RUNBOOKS}/{alert}", new_tab=True) for alert in alerts)
    return found


def _link(title: str, url: str, *, new_tab: bool) -> build.DashboardLink:
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).target_blank(new_tab)


def variables(*, service: bool) -> list[build.QueryVariable | build.DatasourceVariable]:
    """Data source, job and instance; the AI service where there are queries of it."""
    found = [
        build.DatasourceVariable("datasource")
        .label("数据源 Data source")
        .type("prometheus")
        .current(model.VariableOption(text="Prometheus", value="prometheus", selected=True)),
        _values("job", "应用 Job", "label_values(system_info, job)"),
        _values("instance", "实例 Instance", 'label_values(system_info{job=~"$job"}, instance)'),
    ]
    if service:
        query = f"label_values({expression('ai_tasks_total{@}')}, service)"
        found.append(_values("service", "AI 服务 Service", query))
    return found


def _values(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"variable-{name}", "qryType": 1})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        # A pattern, so that the query stays short however many there are.
        .all_value(".+")
        .current(model.VariableOption(text=["All"], value=["$__all"], selected=True))
    )
