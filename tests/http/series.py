"""The one series of a request."""

from tests.scrape import scrape

LABELS = ("method", "endpoint", "status_code", "user_role")


def one_series(telemetry, **changed):
    """The single series of http_requests_total, which must be 1."""
    (labels, value), *others = scrape(telemetry).series("http_requests_total", *LABELS).items()
    assert not others
    assert value == 1
    return dict(zip(LABELS, labels, strict=True))
