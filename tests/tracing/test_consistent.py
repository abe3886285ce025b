"""All services choose the same traces, and the services called are told exactly these."""

import random
import subprocess
import sys

import pytest
from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace._sampling_experimental import composable_traceid_ratio_based, composite_sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from tests.asgi import get
from wxiai_otel.tracing import TailProcessor, TailSampler

_random = random.Random(7)
IDS = [_random.getrandbits(128) for _ in range(10_000)]
ELSEWHERE = """
import sys
from wxiai_otel.tracing import TailProcessor, TailSampler
sampler = TailSampler(TailProcessor(1, 30, 100), 0.1, trust_parent=False)
for line in sys.stdin:
    print(int(sampler.should_sample(None, int(line), "x").decision.is_sampled()))
"""


def sampler(share, *, trust_parent=False):
    return TailSampler(TailProcessor(1, 30, 100), share, trust_parent=trust_parent)


def chosen(share):
    made = sampler(share)
    return [made.should_sample(None, trace_id, "x").decision.is_sampled() for trace_id in IDS]


def remote(trace_id, flags=0, entries=()):
    context = SpanContext(trace_id, 1, True, TraceFlags(flags), TraceState(list(entries)))
    return set_span_in_context(NonRecordingSpan(context))


def test_two_processes_agree_on_every_trace():
    lines = "\n".join(map(str, IDS))
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=lines, capture_output=True, text=True, check=True)

    assert [line == "1" for line in done.stdout.split()] == chosen(0.1)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 1])
def test_another_sdk_agrees_on_every_trace(share):
    theirs = composite_sampler(composable_traceid_ratio_based(share))

    assert chosen(share) == [theirs.should_sample(None, i, "x").decision.is_sampled() for i in IDS]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_within_the_binomial_bounds(share):
    deviation = (len(IDS) * share * (1 - share)) ** 0.5

    assert abs(sum(chosen(share)) - len(IDS) * share) < 4 * deviation


def test_what_is_chosen_by_a_smaller_share_is_chosen_by_a_greater_one():
    assert all(more >= less for less, more in zip(chosen(0.1), chosen(0.3), strict=True))


HIGH, LOW = (1 << 56) - 1, 0
STRANGERS = {
    "random bits of the trace id": (HIGH, ()),
    "refused bits of the trace id": (LOW, ()),
    "randomness of the trace state": (LOW, [("ot", "rv:ffffffffffffff")]),
    "refused randomness of the trace state": (HIGH, [("ot", "rv:00000000000000")]),
    "threshold and randomness": (LOW, [("ot", "th:0;rv:ffffffffffffff")]),
}


@pytest.mark.parametrize("sampled", [0, 1])
@pytest.mark.parametrize(("bits", "entries"), STRANGERS.values(), ids=STRANGERS)
def test_a_caller_does_not_decide_which_traces_are_kept(bits, entries, sampled):
    trace_id = 1 << 100 | bits
    parent = remote(trace_id, sampled, entries)
    decide = sampler(0.1).should_sample

    kept = sum(decide(parent, trace_id, "x").decision.is_sampled() for _ in range(500))

    assert 15 < kept < 95  # five standard deviations around 50


def test_our_threshold_and_randomness_replace_those_of_the_caller():
    given = [("ot", "th:8;rv:ffffffffffffff;vendor:1"), ("vendor", "x")]
    theirs = composite_sampler(composable_traceid_ratio_based(0.5))
    seen = set()
    while seen != {True, False}:
        decision = sampler(0.5).should_sample(remote(LOW + 1, entries=given), LOW + 1, "x")
        chosen = decision.decision.is_sampled()
        state = dict(decision.trace_state)
        ours = state["ot"].split(";")

        assert state["vendor"] == "x"
        assert [member for member in ours if not member.startswith("rv:")] == ["th:8"] * chosen + ["vendor:1"]
        # A called service that samples consistently makes the same decision.
        called = theirs.should_sample(None, LOW + 1, "x", trace_state=TraceState(list(state.items())))
        assert called.decision.is_sampled() is chosen
        seen.add(chosen)


@pytest.mark.parametrize("share", [0, 1])
@pytest.mark.parametrize(
    "entries", [[(f"k{n}", "v") for n in range(32)], [("ot", "a:" + "x" * 254)]], ids=["entries", "length"]
)
def test_a_trace_state_that_is_full_stays_valid(share, entries, caplog):
    decision = sampler(share).should_sample(remote(1, entries=entries), 1, "x")

    assert dict(decision.trace_state)["ot"].startswith("th:0;rv:" if share else "rv:")
    assert caplog.text == ""


@pytest.mark.parametrize("flags", [0, 1])
def test_a_remote_parents_flag_is_honored_if_it_is_trusted(flags):
    for trace_id in (1, HIGH):
        trusting = sampler(0.1, trust_parent=True)
        assert trusting.should_sample(remote(trace_id, flags), trace_id, "x").decision.is_sampled() is bool(flags)


@pytest.mark.parametrize(("share", "flag"), [(0, "00"), (1, "01")])
async def test_services_called_are_told_the_probability_though_a_failed_trace_is_kept(begin, share, flag):
    app = FastAPI()
    left = begin(app, trace_share=share)
    sent = {}

    @app.get("/x")
    async def x():
        with trace.get_tracer("app").start_as_current_span("call"):
            propagate.inject(sent)
        raise ValueError

    await get(app, "/x")

    assert left.names == ["GET /x", "call"]
    # The second bit says that the id is random.
    assert int(sent["traceparent"][-2:], 16) & 1 == int(flag)
    assert all(span.context.trace_flags.sampled for span in left.spans)
