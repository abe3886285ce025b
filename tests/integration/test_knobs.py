"""The knobs of the Collector do what their comments say."""

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.otlp_json import buckets, gauge, histogram, number, request
from tests.servers.collector import collector
from tests.until import until

pytestmark = pytest.mark.built

ROUTE = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}


def send(endpoint, job, *metrics):
    body = json.dumps(request({"service.name": job}, ("http", metrics))).encode()
    asked = urllib.request.Request(f"{endpoint}/v1/metrics", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as response:
        return response.status


def shares_seen(running, job, interval, seconds=6.0):
    """The looks, four a second, that saw the source, which exports all the time."""
    requests = histogram("http.server.request.duration", buckets([1] * 15, 1.0, ROUTE))
    end, exported, looks = time.monotonic() + seconds, 0.0, []
    while (now := time.monotonic()) < end:
        if now - exported >= interval:
            exported = now
            send(running.endpoint, job, requests)
        seen = running.exposition().has("http_requests_total", job=job)
        # Where the machine has held up the source itself, nothing can be said.
        if time.monotonic() - exported <= interval + 0.5:
            looks.append(seen)
        time.sleep(0.25)
    return sum(looks) / len(looks)


@pytest.mark.parametrize(
    ("expiration", "interval", "always"),
    [
        # As 60 s, the default of other SDKs, are to the stack's 30 s: now and then it is gone.
        ("1500ms", 3.0, False),
        # Its interval lowered ...
        ("1500ms", 0.5, True),
        # ... or the expiration raised.
        ("9s", 3.0, True),
    ],
)
def test_a_source_is_seen_all_the_time_when_the_expiration_fits_its_interval(job, expiration, interval, always):
    with collector(COLLECTOR_METRIC_EXPIRATION=expiration) as running:
        seen = shares_seen(running, job, interval)
    assert (seen == 1) if always else (0.3 < seen < 0.8)


def test_a_source_that_is_gone_is_shown_no_longer(job):
    with collector(COLLECTOR_METRIC_EXPIRATION="2s") as running:
        send(running.endpoint, job, gauge("depth", number(1)))
        assert running.exposition().has("depth", job=job)
        until(lambda: not running.exposition().has("depth", job=job))


def test_a_message_above_the_limit_is_refused_and_one_below_taken(job):
    with collector(COLLECTOR_MAX_BODY_BYTES="100000") as running:
        assert send(running.endpoint, job, gauge("depth", number(1, {"a": "a" * 50_000}))) == 200
        with pytest.raises((urllib.error.HTTPError, ConnectionError)):
            send(running.endpoint, job, gauge("depth", number(1, {"a": "a" * 200_000})))


def test_without_memory_it_refuses_and_goes_on_when_there_is_some(job):
    with collector(COLLECTOR_MEMORY_LIMIT_MIB="40", COLLECTOR_MEMORY_SPIKE_MIB="39") as running:
        time.sleep(1.5)
        with pytest.raises(urllib.error.HTTPError) as refused:
            send(running.endpoint, job, gauge("depth", number(1)))
        # One that senders are told to try again on.
        assert refused.value.code == 503
        refused.value.close()
        assert running.exposition().samples == []
