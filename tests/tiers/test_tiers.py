"""Spans of a trace come from several hosts, and one gateway of several decides on all of them."""

import urllib.request
from collections import Counter, defaultdict
from contextlib import ExitStack

import pytest

from tests.otlp import grpc_receiver
from tests.otlp_spans import ERROR, new_trace, span, traces
from tests.servers.tiers import can_have_own_hosts, tiers
from tests.servers.uvicorn import uvicorn
from tests.until import until

pytestmark = [
    pytest.mark.built,
    pytest.mark.skipif(not can_have_own_hosts(), reason="no mount namespaces here"),
]

PROCESSES = ("web", "api", "worker", "provider")
# Counters, as the parser calls them.
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
OUTCOME = "otelcol_loadbalancer_backend_outcome_total"
MEMORY = "otelcol_processor_tail_sampling_sampling_traces_on_memory"
ACCEPTED = "otelcol_receiver_accepted_spans_total"


@pytest.fixture(scope="module")
def sink():
    with grpc_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def started(tmp_path_factory, sink):
    address = sink.url.removeprefix("http://")
    # In less a slow machine could not look at what waits.
    with tiers(tmp_path_factory.mktemp("tiers"), address, COLLECTOR_SAMPLING_WAIT="5s") as made:
        yield made


@pytest.fixture
def running(started):
    """Tiers of which all know all, with nothing of another test under way."""
    started.know(*started.gateways)
    until(lambda: started.settled(2))
    until(lambda: waiting(started), equals=0)
    return started


def waiting(running):
    """How many traces wait for a decision, over all gateways."""
    return sum(one.own().value(MEMORY) for one in running.gateways.values())


def arrived(sink):
    """How often each span has come, by trace."""
    found = defaultdict(Counter)
    for one in list(sink.spans):
        found[one.trace_id.hex()][one.span_id] += 1
    return found


def by_process(sink):
    """The process and the status of each span that has come, by trace."""
    found = defaultdict(list)
    for resource in (resource for request in sink.traces for resource in request.resource_spans):
        (process,) = (item.value.string_value for item in resource.resource.attributes if item.key == "service.name")
        for one in (one for scope in resource.scope_spans for one in scope.spans):
            found[one.trace_id].append((process, one.status.code))
    return found


def send(running, ids, processes=PROCESSES):
    """A failed span of each trace from each process; every other process is on the other host."""
    for process in processes:
        agent = running.agents[PROCESSES.index(process) % 2]
        for first in range(0, len(ids), 10):
            spans = [span(trace_id, process, failed=True) for trace_id in ids[first : first + 10]]
            assert agent.send("traces", traces({"service.name": process}, *spans)) == 200


def whole(sink, ids):
    """The traces of which a span of each process has arrived."""
    seen = arrived(sink)
    return {one for one in ids if len(seen[one]) == len(PROCESSES)}


def decisions(running):
    """How many traces have been decided on, by what was decided, over all gateways."""
    counted = Counter()
    for gateway in running.gateways.values():
        for (kept,), value in gateway.own().series(DECIDED, "sampled").items():
            counted[kept] += value
    return counted


def ids(number):
    return [new_trace() for _ in range(number)]


@pytest.fixture
def chain(running):
    """Four processes, each of which asks the next; two on each host."""
    with ExitStack() as started:
        address = ""
        for number, process in reversed(list(enumerate(PROCESSES))):
            environ = {
                "NEXT": address,
                "OTEL_SERVICE_NAME": process,
                "OTEL_EXPORTER_OTLP_ENDPOINT": running.agents[number % 2].endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "OTEL_METRIC_EXPORT_INTERVAL": "1000",
                "WXIAI_OTEL_TAIL_SAMPLING": "collector",
            }
            address = started.enter_context(uvicorn("tests.tiers.hop:app", env=environ)).url
        yield address


def test_a_trace_of_four_processes_is_decided_once_and_is_whole(running, sink, chain):
    sink.traces.clear()
    before = decisions(running)
    for number in range(60):
        # Only the last process knows that something has failed.
        urllib.request.urlopen(f"{chain}/hop?fail={number % 10 == 0}", timeout=10).close()

    until(lambda: (decisions(running) - before).total() >= 60)
    made = decisions(running) - before
    assert made.total() == 60
    assert 6 <= made["true"] < 30
    until(lambda: len(sink.spans) >= 4 * made["true"])
    kept = by_process(sink)
    assert len(kept) == made["true"]
    assert all(sorted(process for process, _ in spans) == sorted(PROCESSES) for spans in kept.values())
    assert sum(("provider", ERROR) in spans for spans in kept.values()) == 6

    # Their metrics are where the agents' are, and each request of each is counted once.
    def counted():
        shown = [agent.exposition() for agent in running.agents]
        return [[each.value("http_requests_total", job=process) for process in PROCESSES] for each in shown]

    until(counted, equals=[[60, 0, 60, 0], [0, 60, 0, 60]])
    assert (decisions(running) - before).total() == 60


def test_a_killed_gateway_loses_the_spans_that_waited_for_a_decision_and_no_other(running, sink):
    (address, dead), (other, _) = running.gateways.items()
    cut, meanwhile, after, again = ids(40), ids(40), ids(40), ids(40)
    send(running, cut, PROCESSES[:2])
    until(lambda: waiting(running), equals=40)
    unfinished = dead.own().value(MEMORY)
    assert 5 < unfinished < 35
    dead.kill()

    # Agents do not know yet. What they cannot send waits.
    send(running, meanwhile)
    # What the alert CollectorGatewayLost looks at.
    until(lambda: all(agent.own().value(OUTCOME, success="false") for agent in running.agents))
    running.know(other)
    until(lambda: running.settled(1))
    send(running, after)
    send(running, cut, PROCESSES[2:])

    until(lambda: whole(sink, after + meanwhile), equals={*after, *meanwhile})
    until(lambda: len(set(cut) - whole(sink, cut)), equals=unfinished)
    lost = set(cut) - whole(sink, cut)
    # Of these the spans that came later are decided by the other one.
    until(lambda: {len(arrived(sink)[one]) for one in lost}, equals={2})
    assert {count for one in after for count in arrived(sink)[one].values()} == {1}

    dead.start()
    running.know(address, other)
    until(lambda: running.settled(2))
    send(running, again)
    until(lambda: whole(sink, again), equals=set(again))
    assert dead.own().value(ACCEPTED) > 0


def test_a_gateway_that_ends_in_order_decides_on_what_it_has_and_loses_nothing(running, sink):
    (address, ending), (other, _) = running.gateways.items()
    sent = ids(40)
    send(running, sent)
    until(lambda: waiting(running), equals=40)
    ending.end()
    running.know(other)
    until(lambda: running.settled(1))

    ending.start()
    running.know(address, other)
    until(lambda: running.settled(2))
    until(lambda: whole(sink, sent), equals=set(sent))


def test_an_agent_that_was_killed_sends_what_it_has_to_another_set_of_gateways(running, sink):
    agent, (_, last) = running.agents[0], running.gateways
    running.know()
    agent.kill()
    agent.start()
    kept = ids(10)
    spans = [span(one, process, failed=True) for process in PROCESSES for one in kept]
    assert agent.send("traces", traces({"service.name": "web"}, *spans)) == 200
    until(lambda: agent.own().value("otelcol_exporter_queue_size", exporter="load_balancing"), equals=1)
    agent.kill()

    running.know(last)
    agent.start()
    until(lambda: whole(sink, kept), equals=set(kept))
