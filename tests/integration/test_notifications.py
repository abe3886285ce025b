"""An alert in the stack arrives where it says: a mail in mailpit, links that lead to pages."""

import json
import urllib.request

import pytest

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


def test_the_bridge_takes_what_alertmanager_shows_and_is_scraped(pipeline):
    def answered(outcome):
        found = pipeline.query(f'sum(wxiai_bridge_notifications_total{{job="bridge",outcome="{outcome}"}})')
        return bool(found) and float(found[0]["value"][1])

    body = json.dumps([alert("Fault", symptom="bridge", team="database")]).encode()
    url = f"{pipeline.url('alertmanager')}/api/v2/alerts"
    urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=10).close()
    # Its channels are switched off, and none of its answers is a refusal.
    assert until(lambda: answered("off") >= 5, 60)
    assert not answered("invalid")
    assert not answered("failed")
    assert "<h1>" in get(f"{pipeline.url('bridge')}/runbooks")
