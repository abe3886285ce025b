"""Each label whose values come from outside is attacked: what is beyond the bound is ``other``, and is counted."""

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import wxiai_otel
from tests.asgi import request
from tests.scrape import scrape
from tests.test_instruments import points
from wxiai_otel import setup_telemetry
from wxiai_otel.catalogue import INSTRUMENTS, Kind
from wxiai_otel.instruments import Instruments

MOST = 40
ATTACKS = 1_000

ATTACKED = [
    pytest.param(instrument, position, id=f"{instrument.name}-{attribute.key}")
    for instrument in INSTRUMENTS
    if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM)
    for position, attribute in enumerate(instrument.attributes)
]


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def instruments(reader):
    return Instruments(MeterProvider([reader]).get_meter("test"), max_series=MOST)


@pytest.mark.parametrize(("instrument", "position"), ATTACKED)
def test_every_attribute_of_every_instrument_is_bounded_and_each_refusal_is_counted(
    instruments, reader, instrument, position
):
    limit = min(instrument.attributes[position].limit or MOST, MOST)
    for n in range(ATTACKS):
        values = [None] * len(instrument.attributes)
        values[position] = f"value {n}"
        instruments[instrument.name].record(1, tuple(values))

    found = points(reader, instrument.name)
    counted = {key: getattr(point, "count", None) or point.value for key, point in found.items()}
    assert sum(counted.values()) == ATTACKS
    assert len(counted) == limit + 1
    assert [n for key, n in counted.items() if "other" in dict(key).values()] == [ATTACKS - limit]
    (refused,) = points(reader, "wxiai_otel.series.refused").values()
    assert (refused.attributes["instrument"], refused.value) == (instrument.name, ATTACKS - limit)


def test_a_long_value_of_an_open_label_is_other_and_counted(instruments, reader):
    instruments["login.failures"].record(1, ("x" * 129,))
    instruments["login.failures"].record(1, ("x" * 128,))

    assert {dict(key)["reason"] for key in points(reader, "login.failures")} == {"other", "x" * 128}
    (refused,) = points(reader, "wxiai_otel.series.refused").values()
    assert refused.value == 1


# The labels that clients and callers can reach, each by the way that they reach it, and how many values it may have.
HELPERS = {
    ("application_errors_total", "error_type"): (201, lambda word: wxiai_otel.record_error(word, "c")),
    ("application_errors_total", "component"): (101, lambda word: wxiai_otel.record_error("E", word)),
    ("payment_failures_total", "channel"): (51, wxiai_otel.record_payment_failure),
    ("payment_failures_total", "error_type"): (201, lambda word: wxiai_otel.record_payment_failure("c", word)),
    ("file_upload_failures_total", "error_type"): (201, wxiai_otel.record_upload_failure),
    ("login_failures_total", "reason"): (51, wxiai_otel.record_login_failure),
    ("security_events_total", "event_type"): (5, wxiai_otel.record_security_event),
    ("ai_tasks_submitted_total", "service"): (6, wxiai_otel.start_ai_task),
    ("ai_tasks_submitted_total", "user_role"): (6, lambda word: wxiai_otel.start_ai_task("flux", user_role=word)),
    ("credits_consumed_total", "service"): (6, lambda word: wxiai_otel.record_credits("consume", 1, service=word)),
    ("credits_operations_total", "user_role"): (6, lambda word: wxiai_otel.record_credits("refund", 1, user_role=word)),
}


@pytest.mark.parametrize(("metric", "label"), HELPERS)
def test_what_callers_say_is_counted_exactly_in_as_many_values_as_the_label_may_have(metric, label):
    telemetry = setup_telemetry(FastAPI(), detection=False)
    most, say = HELPERS[metric, label]
    for n in range(ATTACKS):
        say(f"value {n}")

    seen = scrape(telemetry)
    found = seen.series(metric, label)
    assert sum(found.values()) == ATTACKS
    assert len(found) <= most
    assert found[("other",)] >= ATTACKS - most
    open_set = most > 6
    assert (seen.value("wxiai_otel_series_refused_total") > 0) == open_set


def test_modes_of_tasks_that_end_are_bounded():
    telemetry = setup_telemetry(FastAPI())
    for n in range(ATTACKS):
        wxiai_otel.monitor_ai_task("flux", mode=f"mode {n}")(lambda: None)()

    seen = scrape(telemetry)
    assert seen.value("ai_task_duration_seconds_count") == ATTACKS
    assert len(seen.series("ai_task_duration_seconds_count", "mode")) == 51
    assert seen.value("ai_task_duration_seconds_count", mode="other") == ATTACKS - 50


@pytest.mark.parametrize(("label", "most"), [("method", 2), ("endpoint", 1), ("user_role", 1)])
async def test_what_clients_send_is_counted_in_labels_that_are_known(label, most):
    app = FastAPI()

    @app.middleware("http")
    async def who(request, call_next):
        request.state.user = {"id": 1, "role": request.headers["x-role"]}
        return await call_next(request)

    telemetry = setup_telemetry(app)
    for n in range(200):
        method = f"METHOD{n}" if label == "method" else "GET"
        path = f"/{n}" if label == "endpoint" else "/"
        role = f"role {n}" if label == "user_role" else "none"
        await request(app, method, path, headers=[(b"x-role", role.encode())], scheme=f"s{n}")

    seen = scrape(telemetry)
    assert seen.value("http_requests_total") == 200
    assert len(seen.series("http_requests_total", label)) <= most
    # The scheme is an attribute too, which the contract has not.
    assert seen.value("wxiai_otel_series_refused_total") == 190
