"""An alert in the stack arrives where it says: a mail in mailpit, links that lead to pages."""

import json
import urllib.request

import pytest

from dashboards.files import load
from tests.alerts.files import ALERT_NAMES
from tests.servers.alertmanager import alert
from tests.until import until

pytestmark = pytest.mark.built


def get(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode()


def test_a_mail_arrives_and_its_links_lead_somewhere(pipeline, job):
    address = pipeline.url("alertmanager")
    body = json.dumps([alert("Fault", symptom=job, team="database", job=job)]).encode()
    request = urllib.request.Request(f"{address}/api/v2/alerts", body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()

    def mail():
        found = json.loads(pipeline.get("mailpit", "/api/v1/messages?limit=100"))["messages"]
        return [one for one in found if "Fault" in one["Subject"]]

    assert until(mail, 60)
    whole = json.loads(pipeline.get("mailpit", f"/api/v1/message/{mail()[0]['ID']}"))
    assert whole["To"][0]["Address"] == "database@example.com"
    assert f"全部告警 Alerts: {address}" in whole["Text"]
    assert get(address)


def test_every_alert_of_prometheus_leads_to_its_runbook_and_a_dashboard_of_ours(pipeline):
    found = json.loads(pipeline.get("prometheus", "/api/v1/rules?type=alert"))["data"]["groups"]
    alerts = {rule["name"]: rule["annotations"] for group in found for rule in group["rules"]}
    assert sorted(alerts) == ALERT_NAMES
    for name, annotations in alerts.items():
        assert annotations["runbook_url"].startswith(f"{pipeline.url('bridge')}/runbooks/")
        assert f"<h1>{name}" in get(annotations["runbook_url"])
        # Grafana is in docker-compose only, at this address.
        uid = annotations["dashboard_url"].removeprefix("http://localhost:3000/d/")
        assert load(uid)["uid"] == uid


def test_the_bridge_takes_what_alertmanager_shows_and_is_scraped(pipeline):
    def answered(outcome):
        found = pipeline.query(f'sum(wxiai_bridge_notifications_total{{job="bridge",outcome="{outcome}"}})')
        return bool(found) and float(found[0]["value"][1])

    body = json.dumps([alert("Fault", symptom="bridge", team="database")]).encode()
    url = f"{pipeline.url('alertmanager')}/api/v2/alerts"
    urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=10).close()
    # The channel of mails is switched off; none of its answers is a refusal.
    assert until(lambda: answered("delivered") >= 4 and answered("off") >= 1, 60)
    assert not answered("invalid")
    assert not answered("failed")
    assert "<h1>" in get(f"{pipeline.url('bridge')}/runbooks")
