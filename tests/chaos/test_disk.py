"""The disk of the Collector's queue is full: it refuses, so that senders keep what they have, and goes on later."""

import json
import urllib.error
import urllib.request
from collections import Counter

import pytest

from tests.otlp import grpc_receiver
from tests.otlp_spans import new_trace, span, traces
from tests.servers.collector import collector
from tests.servers.disk import can_mount, disk
from tests.servers.ports import free_port
from tests.until import until

pytestmark = [pytest.mark.built, pytest.mark.skipif(not can_mount(), reason="a small disk needs root")]

KIB = 2**10
REQUESTS = 200


@pytest.fixture
def small(tmp_path):
    with disk(tmp_path / "disk", 1024 * KIB) as made:
        yield made


class Sender:
    """Sends requests of 20 spans, and knows which were taken."""

    def __init__(self, running):
        self._url = f"{running.endpoint}/v1/traces"
        self.taken = set()

    def send(self):
        ids = [new_trace() for _ in range(20)]
        body = json.dumps(traces({"service.name": "web"}, *(span(one, values={"text": "x" * 200}) for one in ids)))
        asked = urllib.request.Request(self._url, body.encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=10) as response:
                self.taken.update(ids)
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def arrived(sink):
    return Counter(one.trace_id.hex() for one in list(sink.spans))


def test_with_a_full_disk_it_refuses_and_goes_on_when_there_is_room(small):
    port = free_port()
    with collector("traces", COLLECTOR_JAEGER=f"127.0.0.1:{port}", COLLECTOR_DATA=str(small.folder)) as running:
        sender = Sender(running)
        assert [sender.send() for _ in range(5)] == [200] * 5
        small.fill()
        answers = Counter(sender.send() for _ in range(REQUESTS))
        # It asks to be tried again, which the SDK does.
        assert answers[503] > REQUESTS / 2
        assert set(answers) <= {200, 503}

        # Of what it has taken since it was full some may be lost: docs/chaos.md.
        before, sender.taken = sender.taken, set()
        small.free()
        assert [sender.send() for _ in range(5)] == [200] * 5
        with grpc_receiver(port) as sink:
            assert until(lambda: set(arrived(sink)) >= sender.taken, 30)
            assert set(arrived(sink)) <= before | sender.taken
            assert set(arrived(sink).values()) == {1}


def test_with_the_space_of_its_file_reserved_it_goes_on(small):
    with grpc_receiver() as sink:
        knobs = {"COLLECTOR_JAEGER": sink.url.removeprefix("http://"), "COLLECTOR_DATA": str(small.folder)}
        with collector("traces", **knobs):
            pass
        # While it runs it may cut the file to the size that it is about to grow to.
        small.reserve(512 * KIB)
        small.fill()
        with collector("traces", **knobs) as running:
            sender = Sender(running)
            # Several times that in all, and never so much at once that a slow receiver leaves no room.
            for _ in range(10):
                assert Counter(sender.send() for _ in range(REQUESTS // 10)) == {200: REQUESTS // 10}
                assert until(lambda: set(arrived(sink)) == sender.taken)
            assert set(arrived(sink).values()) == {1}


def test_a_queue_of_its_full_size_refuses_and_what_it_took_arrives_once(tmp_path):
    port = free_port()
    knobs = {"COLLECTOR_DATA_BYTES": str(1024 * KIB), "COLLECTOR_DATA": str(tmp_path)}
    with collector("traces", COLLECTOR_JAEGER=f"127.0.0.1:{port}", **knobs) as running:
        sender = Sender(running)
        assert set(Counter(sender.send() for _ in range(REQUESTS))) == {200, 503}
        with grpc_receiver(port) as sink:
            assert until(lambda: set(arrived(sink)) == sender.taken, 30)
            assert set(arrived(sink).values()) == {1}
