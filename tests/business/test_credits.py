"""Credits: an operation that completed is one, its amount is added exactly, and no bad amount gets into a counter."""

import asyncio
import inspect
import logging
import math
import threading
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request

from tests.asgi import get
from tests.business.internals import _credits, _inputs
from tests.scrape import scrape
from wxiai_otel import monitor_credits_operation, record_credits, setup_telemetry

BAD = [-1, -0.001, Decimal(-1), math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]
BAD += [True, False, "5", b"5", [5], object(), 1j, 10**400, 10**5000, Decimal("1e400")]


@pytest.fixture
def lenient():
    return setup_telemetry(FastAPI(), strict=False)


def operations(telemetry) -> dict[tuple[str, str], float]:
    counts = scrape(telemetry).series("credits_operations_total", "operation", "user_role")
    return {labels: count for labels, count in counts.items() if count}


def consumed(telemetry) -> float:
    return scrape(telemetry).value("credits_consumed_total")


class Wrong(Exception):
    pass


class Broken:
    @property
    def credit(self):
        raise Wrong


def positional(user, amount):
    return amount


def with_default(user, amount=5):
    return amount


def keyword_only(user, *, amount):
    return amount


def anything(user, **options):
    return options.get("amount")


class TestTheAmount:
    @pytest.mark.parametrize(
        ("function", "args", "kwargs", "expected"),
        [
            (positional, ("u", 5), {}, 5),
            (positional, ("u",), {"amount": 5}, 5),
            (positional, (), {"amount": 5, "user": "u"}, 5),
            (with_default, ("u",), {}, 5),
            (with_default, ("u", 6), {}, 6),
            (keyword_only, ("u",), {"amount": 5}, 5),
            (anything, ("u",), {"amount": 5}, 5),
            (anything, ("u",), {}, 0),
            (positional, ("u", None), {}, 0),
            (positional, ("u", 0), {}, 0),
            (positional, ("u", 0.1), {}, 0.1),
            (positional, ("u", Decimal("0.1")), {}, 0.1),
            (positional, ("u", Fraction(1, 4)), {}, 0.25),
        ],
    )
    def test_is_the_argument_of_that_name(self, live, function, args, kwargs, expected):
        monitor_credits_operation("consume")(function)(*args, **kwargs)
        assert consumed(live) == expected
        assert operations(live) == {("consume", "anonymous"): 1}

    @pytest.mark.parametrize("amount", [7, lambda user, cost: cost + 5, lambda *_: Decimal(7)])
    def test_is_a_value_or_a_callable_of_the_arguments(self, live, amount):
        monitor_credits_operation("consume", amount=amount)(lambda user, cost: None)("u", 2)
        assert consumed(live) == 7

    def test_need_not_be_there(self, live):
        monitor_credits_operation("consume")(lambda: None)()
        monitor_credits_operation("consume")(max)(1, 2)
        assert (operations(live), consumed(live)) == ({("consume", "anonymous"): 2}, 0)

    @pytest.mark.parametrize("amount", BAD, ids=lambda value: str(type(value).__name__))
    def test_that_is_none_is_refused_before_anything_is_done(self, live, amount):
        done = []

        @monitor_credits_operation("consume")
        def consume(amount):
            done.append(amount)

        with pytest.raises(ValueError, match="must be a finite number of credits"):
            consume(amount)
        with pytest.raises(ValueError, match="must be a finite number of credits"):
            record_credits("consume", amount)
        with pytest.raises(ValueError, match="`balance` must be"):
            record_credits("consume", 1, balance=amount)
        assert done == []
        assert (operations(live), consumed(live)) == ({}, 0)

    @pytest.mark.parametrize("amount", BAD, ids=lambda value: str(type(value).__name__))
    def test_that_is_none_is_a_warning_in_production_and_left_out(self, lenient, amount, caplog):
        assert monitor_credits_operation("consume")(lambda amount: 7)(amount) == 7
        record_credits("purchase", amount)
        record_credits("consume", 3, balance=amount)
        seen = scrape(lenient)
        assert operations(lenient) == {("consume", "anonymous"): 2, ("purchase", "anonymous"): 1}
        assert seen.value("credits_consumed_total") == 3
        assert seen.value("credits_purchased_total") == 0
        assert seen.value("user_credits_balance_count") == 0
        assert seen.value("wxiai_otel_inputs_refused_total") >= 3
        assert all(len(record.getMessage()) < 300 for record in caplog.records)

    def test_a_flood_of_bad_ones_is_one_warning(self, lenient, caplog, monkeypatch):
        _inputs._refused.clear()
        caplog.set_level(logging.DEBUG, "wxiai_otel")
        for _ in range(100):
            record_credits("consume", -1)
        assert [r.levelno for r in caplog.records if "record_credits" in r.message].count(logging.WARNING) == 1

    async def test_of_a_coroutine_is_refused_when_it_is_awaited(self, live):
        done = []

        @monitor_credits_operation("consume")
        async def consume(amount):
            done.append(amount)

        with pytest.raises(ValueError, match=r"`amount` must be .*, got -1"):
            await consume(-1)
        assert done == []

    def test_that_the_function_cannot_be_called_with_is_the_functions_error(self, live):
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            monitor_credits_operation("consume")(positional)("u")
        seen = scrape(live)
        assert seen.series("application_errors_total", "error_type", "component") == {
            ("TypeError", "credits_system"): 1
        }
        assert operations(live) == {}

    @pytest.mark.faulty
    def test_whose_callable_raises_is_left_out(self, live):
        def broken(*_args):
            raise Wrong

        decorate = monitor_credits_operation("consume", amount=broken, service=broken, user_role=broken, balance=broken)
        assert decorate(lambda: 7)() == 7
        assert (operations(live), consumed(live)) == ({("consume", "anonymous"): 1}, 0)


class TestTheBalance:
    @pytest.mark.parametrize(
        ("result", "balance", "count", "total"),
        [
            (SimpleNamespace(credit=Decimal("42.5")), None, 1, 42.5),
            ({"credit": 42}, None, 1, 42),
            ({"credit": 0}, None, 1, 0),
            ({"credit": None}, None, 0, 0),
            ({}, None, 0, 0),
            (None, None, 0, 0),
            (42, None, 0, 0),
            ({"credit": "42"}, None, 0, 0),
            ({"credit": -3}, None, 0, 0),
            ((1, 42), lambda result: result[1], 1, 42),
        ],
    )
    def test_is_found_in_the_result_of_a_consume(self, live, result, balance, count, total):
        assert monitor_credits_operation("consume", balance=balance)(lambda: result)() is result
        seen = scrape(live)
        assert seen.value("user_credits_balance_count") == count
        assert seen.value("user_credits_balance_sum") == total
        assert operations(live) == {("consume", "anonymous"): 1}

    @pytest.mark.parametrize("operation", ["refund", "purchase"])
    def test_is_of_a_consume_only(self, live, operation):
        monitor_credits_operation(operation)(lambda amount: {"credit": 5})(1)
        record_credits(operation, 1, balance=5)
        assert scrape(live).value("user_credits_balance_count") == 0

    @pytest.mark.faulty
    def test_that_cannot_be_read_leaves_the_operation_counted(self, live):
        result = Broken()
        assert monitor_credits_operation("consume")(lambda amount: result)(3) is result
        assert (operations(live), consumed(live)) == ({("consume", "anonymous"): 1}, 3)


class TestAnOperation:
    def test_is_added_to_what_it_moved(self, live):
        for operation, amount in (("consume", 3), ("refund", 5), ("purchase", 7)):
            monitor_credits_operation(operation)(lambda amount: None)(amount)
            record_credits(operation, amount)
        seen = scrape(live)
        assert seen.value("credits_consumed_total") == 6
        assert seen.value("credits_purchased_total") == 14
        assert operations(live) == {(name, "anonymous"): 2 for name in ("consume", "refund", "purchase")}

    @pytest.mark.parametrize("operation", ["spend", "", None, "CONSUME", ["consume"]])
    def test_that_is_none_is_an_error_at_once(self, operation):
        with pytest.raises(ValueError, match="must be one of consume, refund, purchase"):
            monitor_credits_operation(operation)
        with pytest.raises(ValueError, match="must be one of consume, refund, purchase"):
            record_credits(operation, 1)

    async def test_that_raises_is_an_error_and_none(self, live):
        error = Wrong()

        @monitor_credits_operation("consume")
        async def consume(amount):
            raise error

        @monitor_credits_operation("purchase")
        def purchase(amount):
            raise error

        with pytest.raises(Wrong) as caught:
            await consume(5)
        assert caught.value is error
        with pytest.raises(Wrong):
            purchase(5)
        seen = scrape(live)
        assert seen.series("application_errors_total", "error_type", "component") == {("Wrong", "credits_system"): 2}
        assert operations(live) == {}
        assert consumed(live) == seen.value("credits_purchased_total") == 0

    async def test_that_is_cancelled_is_neither_an_error_nor_an_operation(self, live):
        @monitor_credits_operation("consume")
        async def consume(amount):
            await asyncio.sleep(10)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consume(5), 0.01)
        assert operations(live) == {}
        assert not scrape(live).has("application_errors_total")

    async def test_of_methods_of_every_kind(self, live):
        class Ledger:
            @monitor_credits_operation("consume")
            async def method(self, amount):
                return {"credit": 10 - amount}

            @monitor_credits_operation("consume")
            @classmethod
            def of_class(cls, user, amount=2):
                return None

            @staticmethod
            @monitor_credits_operation("consume", amount=lambda user, cost: cost)
            def static(user, cost):
                return None

        assert await Ledger().method(1) == {"credit": 9}
        Ledger.of_class("u")
        Ledger.static("u", 4)
        assert (operations(live), consumed(live)) == ({("consume", "anonymous"): 3}, 7)

    def test_has_a_service_and_a_role(self, live):
        role = Enum("Role", {"VIP": "vip"}).VIP
        monitor_credits_operation("consume", service=lambda amount: "kling", user_role=role)(lambda amount: None)(3)
        record_credits("consume", 4, service="flux", user_role="vip")
        record_credits("consume", 5, service="suno", user_role="root")
        record_credits("consume", 6)
        assert scrape(live).series("credits_consumed_total", "service") == {
            ("kling",): 3,
            ("flux",): 4,
            ("other",): 11,
            ("midjourney",): 0,
            ("dreamwork",): 0,
            ("jimeng",): 0,
        }
        assert operations(live) == {
            ("consume", "vip"): 2,
            ("consume", "other"): 1,
            ("consume", "anonymous"): 1,
        }

    async def test_has_the_role_of_the_requests_user(self):
        app = FastAPI()

        @app.get("/consume")
        def consume(request: Request):
            request.state.user = SimpleNamespace(id=1, role="vip")
            monitor_credits_operation("consume")(lambda amount: None)(3)
            record_credits("refund", 3)

        telemetry = setup_telemetry(app)
        await get(app, "/consume")
        assert operations(telemetry) == {("consume", "vip"): 1, ("refund", "vip"): 1}

    def test_keeps_the_functions_signature(self):
        decorated = monitor_credits_operation("consume")(with_default)
        assert inspect.signature(decorated) == inspect.signature(with_default)
        assert (decorated.__name__, decorated.__doc__) == ("with_default", None)

    def test_is_added_exactly_by_many_threads(self, live):
        consume = monitor_credits_operation("consume")(lambda amount: {"credit": amount})

        def work():
            for n in range(500):
                consume(Decimal("0.25"))
                record_credits("purchase", n)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = scrape(live)
        assert seen.value("credits_consumed_total") == 1000
        assert seen.value("credits_purchased_total") == 8 * sum(range(500))
        assert seen.value("user_credits_balance_count") == 4000
        assert operations(live) == {("consume", "anonymous"): 4000, ("purchase", "anonymous"): 4000}


class TestWithoutTelemetry:
    def test_nothing_is_recorded_and_nothing_refused(self):
        consume = monitor_credits_operation("consume")(lambda amount: amount)
        assert consume(-5) == -5
        record_credits("consume", -5)
        telemetry = setup_telemetry(FastAPI())
        assert consume(5) == 5
        assert (operations(telemetry), consumed(telemetry)) == ({("consume", "anonymous"): 1}, 5)
        telemetry.shutdown()
        assert consume(5) == 5


@pytest.mark.faulty
@pytest.mark.parametrize("name", ["_count", "class_name", "_credit_of"])
def test_a_fault_of_ours_changes_nothing(live, monkeypatch, name):
    def broken(*_args):
        raise RuntimeError("a fault")

    monkeypatch.setattr(_credits, name, broken)
    assert monitor_credits_operation("consume")(lambda amount: 7)(1) == 7
    record_credits("consume", 1)
    with pytest.raises(Wrong):
        monitor_credits_operation("consume")(_raise)()


def _raise():
    raise Wrong
