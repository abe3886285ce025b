"""What Grafana loads: the committed JSON and the provisioning beside it."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from dashboards.files import FOLDER, UIDS, load, panels, variables

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "dashboards" / "provisioning"
ALERTS = {
    rule["alert"]
    for path in (ROOT / "alerts").glob("*_alerts.yml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
EVERY = [pytest.param(uid, panel, id=f"{uid}-{panel['title']}") for uid in UIDS for panel in panels(load(uid))]
KINDS = {"stat", "timeseries", "piechart", "bargauge", "heatmap", "table"}
SPECIFIED = [
    ("实时用户活跃", "stat"),
    ("AI任务成功率", "stat"),
    ("各AI服务使用量", "piechart"),
    ("API响应时间趋势", "timeseries"),
    ("缓存命中率", "timeseries"),
]


def test_there_is_a_file_for_each_dashboard_and_no_other():
    assert {path.stem for path in FOLDER.iterdir()} == set(UIDS)


def test_the_specified_panels_come_first_by_their_titles():
    board = load("wxiai-business")
    assert board["title"] == "WXIAI 业务监控仪表板"
    assert [(panel["title"], panel["type"]) for panel in board["panels"][:5]] == SPECIFIED


@pytest.mark.parametrize("uid", UIDS)
class TestDashboard:
    def test_its_address_time_zone_and_refresh(self, uid):
        board = load(uid)
        assert board["uid"] == uid
        assert board["timezone"] == "browser"
        assert board["refresh"] in {"10s", "1m"}
        assert board["editable"] is False

    def test_variables_and_each_of_them_is_used(self, uid):
        board = load(uid)
        assert (
            board["templating"]["list"][0] | {"name": "datasource", "type": "datasource", "query": "prometheus"}
            == (board["templating"]["list"][0])
        )
        assert list(variables(board))[:2] == ["job", "instance"]
        queries = " ".join(target["expr"] for panel in panels(board) for target in panel["targets"])
        for name, variable in variables(board).items():
            assert f'{name}=~"${name}"' in queries
            assert variable["includeAll"]
            assert variable["multi"]
            assert variable["allValue"] == ".+"

    def test_alerts_are_annotations(self, uid):
        (annotation,) = load(uid)["annotations"]["list"]
        assert 'ALERTS{alertstate="firing"' in annotation["expr"]
        assert annotation["titleFormat"] == "{{alertname}}"

    def test_links_to_the_others_keep_time_and_variables(self, uid):
        (link,) = load(uid)["links"]
        assert link["type"] == "dashboards"
        assert link["tags"] == load(uid)["tags"]
        assert link["includeVars"]
        assert link["keepTime"]

    def test_no_two_panels_share_a_place_or_a_number(self, uid):
        board = load(uid)
        places = [
            (x, y)
            for panel in board["panels"]
            for grid in [panel["gridPos"]]
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(places) == len(set(places))
        assert max(x for x, _ in places) <= 23
        numbers = [panel["id"] for panel in board["panels"]]
        assert all(one < other for one, other in pairwise(numbers))


@pytest.mark.parametrize(("uid", "panel"), EVERY)
class TestPanel:
    def test_says_what_it_is_in_chinese_and_english(self, uid, panel):
        assert panel["title"]
        chinese, english = panel["description"].split("\n\n")
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert re.fullmatch(r"[ -~]+", english)

    def test_has_a_kind_that_is_drawn_everywhere_a_unit_and_thresholds(self, uid, panel):
        assert panel["type"] in KINDS
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        levels = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert levels[0] is None
        assert levels[1:] == sorted(levels[1:])

    def test_says_something_where_there_is_nothing(self, uid, panel):
        if panel["type"] in {"stat", "bargauge", "table"}:
            assert panel["fieldConfig"]["defaults"]["noValue"]

    def test_its_queries_are_of_the_data_source_that_is_chosen(self, uid, panel):
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}

    def test_it_is_wide_enough_to_be_read(self, uid, panel):
        assert panel["gridPos"]["w"] >= 4
        assert panel["gridPos"]["h"] >= 5

    def test_rates_are_over_the_rate_interval(self, uid, panel):
        for target in panel["targets"]:
            for window in re.findall(r"\brate\(.*?\[(\$\w+|\d+[smhd])\]", target["expr"]):
                assert window in {"$__rate_interval", "$__range"}

    def test_an_open_label_has_the_largest_only(self, uid, panel):
        open_label = r"by \([^)]*\b(endpoint|table|component|error_type|reason|pool)\b"
        for target in panel["targets"]:
            assert not re.search(open_label, target["expr"]) or "topk(" in target["expr"] or uid_is_bounded(target)

    def test_its_links_go_to_a_dashboard_or_to_a_runbook(self, uid, panel):
        for link in panel.get("links", []):
            board = re.fullmatch(
                r"/d/([\w-]+)\?\$\{__url_time_range\}&\$\{job:queryparam\}&\$\{instance:queryparam\}", link["url"]
            )
            assert board or re.fullmatch(r"http://localhost:9095/runbooks/[A-Z]\w+", link["url"])
            if board:
                assert board[1] in UIDS
                assert board[1] != uid


def uid_is_bounded(target) -> bool:
    """Pools are as many as an application's databases."""
    return "db_deadlocks_total" in target["expr"]


def test_every_dashboard_leads_to_runbooks():
    for uid in UIDS:
        assert any("/runbooks/" in link["url"] for panel in panels(load(uid)) for link in panel.get("links", []))


def test_every_runbook_is_of_an_alert():
    named = {
        link["url"].rpartition("/")[2]
        for uid in UIDS
        for panel in panels(load(uid))
        for link in panel.get("links", [])
        if "/runbooks/" in link["url"]
    }
    assert named - ALERTS == set()


class TestProvisioning:
    def test_exemplars_lead_to_jaeger(self):
        read = yaml.safe_load((PROVISIONING / "datasources" / "wxiai.yaml").read_text())
        sources = {source["uid"]: source for source in read["datasources"]}
        assert set(sources) == {"prometheus", "jaeger"}
        (destination,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
        assert destination["datasourceUid"] == "jaeger"
        assert destination["name"] == "trace_id"

    def test_the_data_source_knows_how_often_prometheus_scrapes(self):
        read = yaml.safe_load((PROVISIONING / "datasources" / "wxiai.yaml").read_text())
        prometheus = yaml.safe_load((ROOT / "prometheus.yml").read_text())
        (interval,) = {
            source["jsonData"]["timeInterval"] for source in read["datasources"] if source["type"] == "prometheus"
        }
        assert interval == prometheus["global"]["scrape_interval"]

    def test_the_dashboards_are_in_a_folder_and_are_not_changed_in_grafana(self):
        (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "wxiai.yaml").read_text())["providers"]
        assert provider["folder"] == "WXIAI"
        assert provider["type"] == "file"
        assert provider["allowUiUpdates"] is False
        assert provider["options"]["path"]
