"""One event for each client and window, at exactly the threshold, in bounded memory."""

import threading
import tracemalloc

import pytest

from wxiai_otel import Settings
from wxiai_otel.detection import Detector


class Watched:
    """A detector, what it has reported, and its clock."""

    def __init__(self, clock, **settings):
        self.clock = clock
        self.events = []
        self.detector = Detector(Settings(**settings), self.report)

    def report(self, event_type, severity, details):
        self.events.append((event_type, severity, details))

    @property
    def kinds(self):
        return [event_type for event_type, _, _ in self.events]

    def requests(self, count, address="1.1.1.1", route="/x", status=200, user_id=None):
        for _ in range(count):
            self.detector.request(user_id, address, route, status)

    def logins(self, count, address="1.1.1.1", account=None):
        for _ in range(count):
            self.detector.login_failed(address, account)


@pytest.fixture
def watch(clock):
    return lambda **settings: Watched(clock, **settings)


def test_too_many_requests_are_one_event_at_exactly_the_threshold(watch):
    watched = watch()
    watched.requests(1_199)
    assert watched.events == []
    watched.requests(1)
    assert watched.events == [("api_abuse", "critical", {"client.address": "1.1.1.1", "requests": 1_200})]
    watched.requests(5_000)
    assert len(watched.events) == 1


def test_each_window_has_its_event(watch):
    watched = watch(abuse_requests=10)
    for window in range(3):
        watched.requests(25)
        assert len(watched.events) == window + 1
        watched.clock.now += 60.1


def test_requests_of_different_windows_do_not_add_up(watch):
    watched = watch(abuse_requests=10)
    for _ in range(5):
        watched.requests(9)
        watched.clock.now += 60.1
    assert watched.events == []


def test_a_user_is_the_client_wherever_the_requests_come_from_and_an_address_only_without_one(watch):
    watched = watch(abuse_requests=10)
    for number in range(9):
        watched.requests(1, address=f"1.1.1.{number}", user_id="7")
        watched.requests(1, address="2.2.2.2", user_id=f"user-{number}")
        watched.requests(1, address="2.2.2.2")
    assert watched.events == []
    watched.requests(1, address="9.9.9.9", user_id="7")
    watched.requests(1, address="2.2.2.2")
    assert watched.kinds == ["api_abuse"] * 2
    assert "7" not in str([details["client.address"] for _, _, details in watched.events])


def test_a_user_with_the_text_of_an_address_is_another_client(watch):
    watched = watch(abuse_requests=10)
    watched.requests(9)
    watched.requests(9, user_id="1.1.1.1")
    assert watched.events == []


def test_requests_of_nobody_from_nowhere_are_no_clients(watch):
    watched = watch(abuse_requests=10, suspicious_refusals=10)
    watched.requests(100, address=None, status=404)
    assert watched.events == []
    watched.requests(10, address=None, user_id="7")
    assert watched.events == [("api_abuse", "critical", {"client.address": "unknown", "requests": 10})]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_many_refusals_are_one_event(watch, status):
    watched = watch()
    watched.requests(59, route=None, status=status)
    watched.requests(100, status=200)
    watched.requests(100, status=401)
    assert watched.events == []
    watched.requests(200, route=None, status=status)
    details = {"client.address": "1.1.1.1", "refusals": 60, "routes": 1}
    assert watched.events == [("suspicious_access", "warning", details)]


def test_many_distinct_routes_are_one_event(watch):
    watched = watch()
    for _ in range(2):
        for number in range(149):
            watched.requests(1, route=f"/route/{number}")
    assert watched.events == []
    watched.requests(1, route="/one/more")
    watched.requests(1, route="/and/another")
    assert watched.kinds == ["suspicious_access"]


def test_routes_and_refusals_together_are_one_event(watch):
    watched = watch(suspicious_routes=5, suspicious_refusals=5)
    for number in range(20):
        watched.requests(1, route=f"/route/{number}", status=404)
    assert watched.kinds == ["suspicious_access"]
    watched.clock.now += 61
    watched.requests(5, status=404)
    assert watched.kinds == ["suspicious_access"] * 2


def test_more_routes_than_places_are_no_fault(watch):
    watched = watch(suspicious_routes=4_096)
    for number in range(6_000):
        watched.requests(1, route=f"/route/{number}")
    assert watched.kinds == ["api_abuse", "suspicious_access"]


def test_many_failed_logins_from_one_address_are_one_event(watch):
    watched = watch()
    for number in range(9):
        watched.logins(1, account=f"account-{number}")
    assert watched.events == []
    watched.logins(30)
    details = {"client.address": "1.1.1.1", "by": "address", "failures": 10}
    assert watched.events == [("login_failure_burst", "warning", details)]


def test_many_failed_logins_against_one_account_are_one_event_that_does_not_name_it(watch):
    watched = watch()
    for number in range(30):
        watched.logins(1, address=f"1.1.1.{number}", account="alice")
    details = {"client.address": "1.1.1.9", "by": "account", "failures": 10}
    assert watched.events == [("login_failure_burst", "warning", details)]
    assert "alice" not in str([*watched.detector._failures._newer])


def test_failed_logins_of_different_windows_do_not_add_up(watch):
    watched = watch()
    for _ in range(3):
        watched.logins(9)
        watched.clock.now += 300.1
    assert watched.events == []
    watched.logins(10)
    watched.clock.now += 300.1
    watched.logins(10)
    assert watched.kinds == ["login_failure_burst"] * 2


def test_failed_logins_add_up_over_the_whole_window(watch):
    watched = watch(login_window=300, detection_window=60)
    for _ in range(10):
        watched.logins(1)
        watched.clock.now += 30
    assert watched.kinds == ["login_failure_burst"]


def test_a_failed_login_from_nowhere_against_nobody_is_no_burst(watch):
    watched = watch()
    watched.logins(100, address=None, account=None)
    assert watched.events == []


@pytest.mark.parametrize(
    ("method", "route", "status", "failed"),
    [
        ("POST", "/login", 401, True),
        ("POST", "/api/v1/auths/signin", 400, True),
        ("POST", "/token", 403, True),
        ("POST", "/api/v1/login/access-token", 400, True),
        ("POST", "/auth/jwt/login", 400, True),
        ("POST", "/login", 200, False),
        ("POST", "/login", 422, False),
        ("POST", "/login", 500, False),
        ("GET", "/login", 401, False),
        ("POST", "/items", 401, False),
        ("POST", None, 401, False),
    ],
)
def test_a_login_has_failed_where_a_login_route_refuses_a_post(watch, method, route, status, failed):
    assert watch().detector.is_failed_login(method, route, status) == failed


def test_a_flood_of_logins_raises_the_event_and_leaves_memory_flat(watch):
    watched = watch()
    burst = [(f"10.0.{a // 250}.{a % 250}", f"account-{b}") for a in range(1_000) for b in range(50)]
    for address, account in burst:
        watched.logins(1, address=address, account=account)
    assert watched.kinds.count("login_failure_burst") == 1_000 + 50
    watched.events.clear()
    before = len(watched.detector._failures)
    tracemalloc.start()
    try:
        for a in range(1_000):
            for b in range(20):
                watched.logins(1, address=f"10.0.{a // 250}.{a % 250}", account=f"account-{b * 10}")
        # What the events hold is the test's own.
        watched.events.clear()
        assert tracemalloc.get_traced_memory()[0] < 2**20
    finally:
        tracemalloc.stop()
    assert before <= len(watched.detector._failures) <= 2_000


def test_a_flood_of_distinct_addresses_is_bounded_and_hides_no_heavy_client(watch):
    watched = watch(detection_clients=1_000)
    for number in range(120_000):
        watched.requests(1, address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        if number % 100 == 0:
            watched.requests(1, address="6.6.6.6")
    assert len(watched.detector._clients) <= 2_000
    assert watched.events == [("api_abuse", "critical", {"client.address": "6.6.6.6", "requests": 1_200})]


def test_threads_together_raise_one_event(watch):
    watched = watch(abuse_requests=10_000)
    threads = [threading.Thread(target=watched.requests, args=(2_600,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watched.kinds == ["api_abuse"]
