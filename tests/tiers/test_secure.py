"""With TLS and a token between the tiers too, spans pass both, and an agent without the token gets nothing through."""

import ssl
import urllib.error

import pytest

from tests.otlp import grpc_receiver
from tests.otlp_spans import new_trace, span, traces
from tests.servers.certificates import certificates
from tests.servers.tiers import NAME, can_have_own_hosts, tiers
from tests.until import until

pytestmark = [
    pytest.mark.built,
    pytest.mark.skipif(not can_have_own_hosts(), reason="no mount namespaces here"),
]


def test_a_gateway_takes_spans_of_agents_that_have_the_token(tmp_path):
    made = certificates(tmp_path, "DNS:localhost", "IP:127.0.0.1", f"DNS:{NAME}")
    right, wrong = tmp_path / "tokens", tmp_path / "others"
    right.write_text("right\n")
    wrong.write_text("wrong\n")
    context = ssl.create_default_context(cafile=made.authority)
    knobs = {
        "COLLECTOR_TLS_CERT": str(made.certificate),
        "COLLECTOR_TLS_KEY": str(made.key),
        "COLLECTOR_TOKENS": str(right),
        "COLLECTOR_GATEWAYS_INSECURE": "false",
        "COLLECTOR_GATEWAYS_CA": str(made.authority),
        "COLLECTOR_SAMPLING_WAIT": "1s",
    }

    with (
        grpc_receiver() as sink,
        tiers(tmp_path, sink.url.removeprefix("http://"), "secure", number=1, **knobs) as running,
    ):
        (agent,) = running.agents

        def send(name, token):
            body = traces({"service.name": "web"}, span(new_trace(), name, failed=True))
            return agent.send("traces", body, context, authorization=f"Bearer {token}")

        assert send("arrives", "right") == 200
        until(lambda: [one.name for one in sink.spans], equals=["arrives"])
        with pytest.raises(urllib.error.HTTPError, match="401"):
            send("refused", "wrong")

        agent.kill()
        agent.start(COLLECTOR_TOKENS=str(wrong))
        assert send("refused", "wrong") == 200
        until(lambda: "does not match expected scheme or token" in agent.log.read_text())
        assert [one.name for one in sink.spans] == ["arrives"]
