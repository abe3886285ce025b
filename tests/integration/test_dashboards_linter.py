"""The rules of grafana/dashboard-linter over the committed dashboards, where they say something about these.

The linter itself (its last version without Grafana's own modules) has nothing to say of them but what is left out here.

Held elsewhere:

- template-label-promql-rule, target-promql-rule: test_dashboards.py asks every query of a real Prometheus.
- panel-datasource-rule, panel-title-description-rule, uneditable-dashboard, and that there are the variables
  datasource, job and instance, with several values and ".+" for all of them: tests/dashboards/test_json.py.

Left out, or held differently:

- target-logql-rule, target-logql-auto-rule: there is no Loki.
- The labels "Data source", "Job" and "Instance" of the variables, which are warnings: ours are Chinese and English.
- target-job-rule, target-instance-rule for what is no application's, or no longer of one instance: the pipeline's own
  metrics, and recorded series.
- target-rate-interval-rule within ``topk``: the largest are chosen over all of the time that is shown.
- target-counter-agg-rule looks at counters without matchers only; here at all.
"""

from collections.abc import Iterator

import pytest

from dashboards.files import UIDS, load, variables
from dashboards.variables import Window, replaced
from tests.integration.promql import parsed
from tests.integration.test_dashboards import EVERY, family
from tests.promql import children
from wxiai_otel.catalogue import CONTRACT

# Of those that the rule allows, and Grafana knows, the ones that are used.
UNITS = {"short", "percentunit", "s", "bytes", "reqps", "cps", "ops", "opm"}
ON_TIME_RANGE_CHANGE = 2
CHOSEN = {"job": ["THE-JOB"], "instance": ["THE-INSTANCE"], "service": ["THE-SERVICE"]}
# A step of 12 s makes a rate interval of 20 s; the range is an hour.
WINDOW = Window(0, 3600)


def nodes(node: dict, above: tuple[dict, ...] = ()) -> Iterator[tuple[dict, tuple[dict, ...]]]:
    """Each node of a query, and those above it, the nearest last."""
    yield node, above
    for child in children(node):
        yield from nodes(child, (*above, node))


def of_panel(pipeline, panel) -> Iterator[tuple[dict, tuple[dict, ...]]]:
    for target in panel["targets"]:
        yield from nodes(parsed(pipeline, replaced(target["expr"], CHOSEN, WINDOW)))


@pytest.mark.parametrize("uid", UIDS)
def test_variables_are_asked_anew_when_the_time_range_changes(uid):
    """template-on-time-change-reload-rule, and the data source of template-job-rule and template-instance-rule."""
    for variable in variables(load(uid)).values():
        assert variable["refresh"] == ON_TIME_RANGE_CHANGE
        assert variable["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_a_panel_asks_something(uid, panel):
    """panel-no-targets-rule."""
    assert panel["targets"]
    assert all(target["expr"] for target in panel["targets"])


@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_a_panels_units_are_ones_that_grafana_knows(uid, panel):
    """panel-units-rule."""
    config = panel["fieldConfig"]
    overrides = [
        given["value"]
        for override in config.get("overrides", [])
        for given in override["properties"]
        if given["id"] == "unit"
    ]
    assert {config["defaults"]["unit"], *overrides} <= UNITS


@pytest.mark.built
@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_what_is_an_applications_is_of_the_job_and_instance_that_are_chosen(pipeline, uid, panel):
    """target-job-rule, target-instance-rule."""
    for node, _ in of_panel(pipeline, panel):
        if node["type"] in {"vectorSelector", "matrixSelector"} and family(node["name"]) in CONTRACT:
            matchers = {(one["name"], one["type"], one["value"]) for one in node["matchers"]}
            assert {("job", "=~", "THE-JOB"), ("instance", "=~", "THE-INSTANCE")} <= matchers


@pytest.mark.built
@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_of_a_counter_its_increase_is_shown(pipeline, uid, panel):
    """target-counter-agg-rule."""
    for node, above in of_panel(pipeline, panel):
        if node["type"] in {"vectorSelector", "matrixSelector"} and node["name"].endswith("_total"):
            assert node["type"] == "matrixSelector"
            assert above[-1]["func"]["name"] in {"rate", "irate", "increase"}


@pytest.mark.built
@pytest.mark.parametrize(("uid", "panel"), EVERY)
def test_a_rate_is_over_the_rate_interval(pipeline, uid, panel):
    """target-rate-interval-rule."""
    for node, above in of_panel(pipeline, panel):
        if node["type"] == "matrixSelector" and above and above[-1].get("func", {}).get("name") in {"rate", "irate"}:
            ranked = any(one["type"] == "aggregation" and one["op"] == "topk" for one in above)
            assert node["range"] == (3_600_000 if ranked else 20_000)
