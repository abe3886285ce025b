"""A stack in which time passes faster divides every duration, and nothing else."""

import pytest

from stack.services import SERVICES, prometheus_config
from stack.speed import faster


def test_by_default_nothing_changes(monkeypatch):
    monkeypatch.delenv("STACK_SPEED", raising=False)
    assert faster("for: 10s") == "for: 10s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scrape_interval: 5s", "scrape_interval: 2000ms"),
        ("avg_over_time(x[1h:1m] offset 1d)", "avg_over_time(x[1440000ms:24000ms] offset 34560000ms)"),
        ("group_wait: 0s", "group_wait: 0ms"),
        ("-evaluationInterval=5s", "-evaluationInterval=2000ms"),
        ("increase(x[1h30m]) offset 1w", "increase(x[2160000ms]) offset 241920000ms"),
        # Numbers and names.
        ("predict_linear(x[30m], 4 * 3600) > 0.5", "predict_linear(x[720000ms], 4 * 3600) > 0.5"),
        ("job:http_requests:rate5m", "job:http_requests:rate5m"),
        ('status_code=~"5.."', 'status_code=~"5.."'),
    ],
)
def test_durations_are_divided(monkeypatch, text, expected):
    monkeypatch.setenv("STACK_SPEED", "2.5")
    assert faster(text) == expected


def test_prometheus_scrapes_as_often(monkeypatch, tmp_path):
    monkeypatch.setenv("STACK_SPEED", "5")
    ports = {name: port for service in SERVICES for name, port in service.ports.items()}
    assert "scrape_interval: 1000ms" in prometheus_config(ports, tmp_path)
