"""Call every helper with invalid arguments, in a process without pytest, and print the refusals."""

import asyncio
import contextlib
import json
import logging
import sys
from decimal import Decimal
from types import SimpleNamespace

from fastapi import FastAPI

import wxiai_otel
from tests.business.internals import refusals


class Hostile:
    """An object that raises on every use."""

    def _raise(self, *_args):
        raise RuntimeError("hostile")

    __str__ = __repr__ = __hash__ = __eq__ = __float__ = __bool__ = __len__ = __iter__ = __format__ = __lt__ = _raise

    @property
    def value(self):
        raise RuntimeError("hostile")

    @property
    def __class__(self):
        raise RuntimeError("hostile")


class Word(str):
    __slots__ = ()
    __eq__ = __hash__ = lower = encode = isascii = __contains__ = Hostile._raise


class Metaclass(type):
    @property
    def __name__(cls):
        raise RuntimeError("hostile")


class HiddenClass(Exception, metaclass=Metaclass):
    __str__ = Hostile._raise


class Number(float):
    __float__ = __le__ = __ge__ = Hostile._raise


async def coroutine_function(*_args, **_options):
    return 1


def sent(value):
    if type(value) is not Metaclass and type(type(value)) is not Metaclass:
        asyncio.run(wxiai_otel.send_business_alert(value, value, value, detail=value))


VALUES = [
    *(None, "", "garbage", "spend", "\ud800", "x" * 100_000, b"bytes", 0, -1, 10**5000, 1j, True, [], {}, object()),
    *(float("nan"), float("-inf"), Decimal("sNaN"), Number(1), Hostile(), Hostile, Word("success"), HiddenClass()),
    *(HiddenClass, SimpleNamespace(value=Hostile()), coroutine_function, lambda: 1),
]
HELPERS = {
    "complete_ai_task": [
        lambda v: wxiai_otel.complete_ai_task(v, "success"),
        lambda v: wxiai_otel.complete_ai_task(wxiai_otel.start_ai_task("flux").token, v),
        lambda v: wxiai_otel.complete_ai_task(
            wxiai_otel.start_ai_task("flux").token, "failed", error_type=v, queue_seconds=v, run_seconds=v
        ),
    ],
    "start_ai_task": [
        lambda v: wxiai_otel.complete_ai_task(wxiai_otel.start_ai_task(v, v, user_role=v, model=v).token, "success"),
    ],
    "record_credits": [
        lambda v: wxiai_otel.record_credits(v, 1),
        lambda v: wxiai_otel.record_credits("consume", v, balance=v, service=v, user_role=v),
    ],
    "record_error": [lambda v: wxiai_otel.record_error(v, v)],
    "record_payment_failure": [lambda v: wxiai_otel.record_payment_failure(v, v)],
    "record_upload_failure": [wxiai_otel.record_upload_failure],
    "record_login_failure": [lambda v: wxiai_otel.record_login_failure(v, v)],
    "record_security_event": [
        lambda v: wxiai_otel.record_security_event(v, v, detail=v),
        lambda v: wxiai_otel.record_security_event("api_abuse", detail=v),
    ],
    "record_user_activity": [
        wxiai_otel.record_user_activity,
        lambda v: wxiai_otel.record_user_activity("alice", v),
    ],
    "monitor_credits_operation": [
        lambda v: called(wxiai_otel.monitor_credits_operation(v, amount=v, service=v, user_role=v)),
        lambda v: called(wxiai_otel.monitor_credits_operation("consume", amount=v, balance=v, service=v, user_role=v)),
    ],
    "monitor_ai_task": [lambda v: called(wxiai_otel.monitor_ai_task(v, mode=v, user_role=v, model=v))],
    "send_business_alert": [sent],
}


def called(decorate):
    """Check that decorated functions behave as without the decorator."""
    if any(decorate is value for value in VALUES):  # decorated without parentheses
        return
    assert decorate(lambda amount=1: 7)() == 7
    assert asyncio.run(decorate(coroutine_function)()) == 1
    assert list(decorate(lambda: (n for n in "ab"))()) == ["a", "b"]
    with contextlib.suppress(LookupError):
        decorate(fail)()
        raise AssertionError
    assert isinstance(decorate(property(len)), property)


def fail():
    raise LookupError


def call_all():
    for helpers in HELPERS.values():
        for helper in helpers:
            for value in VALUES:
                helper(value)


@wxiai_otel.monitor_ai_task
def without_parentheses(prompt):
    return prompt


@wxiai_otel.monitor_credits_operation
def without_parentheses_either(amount):
    return amount


def refused():
    return {helper: count for (helper,), count in refusals()}


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    counts = []
    call_all()
    counts.append(refused())
    telemetry = wxiai_otel.setup_telemetry(FastAPI(), workers_folder="none", state_redis="memory")
    call_all()
    counts.append(refused())
    body = telemetry.render_metrics()[0].decode()
    telemetry.shutdown()
    call_all()
    counts.append(refused())
    assert without_parentheses("cat") == "cat"
    assert without_parentheses_either(5) == 5
    sys.stdout.write(json.dumps({"refused": counts, "metrics": body}))
