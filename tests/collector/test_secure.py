"""With TLS and a token the Collector takes what has both, and whoever sends something else is told and not harmed."""

import logging
import uuid

import pytest
from fastapi import FastAPI

from tests.asgi import get
from tests.otlp import grpc_receiver
from tests.scrape import scrape
from tests.servers.certificates import certificates
from tests.servers.collector import collector
from tests.until import until
from wxiai_otel import setup_telemetry
from wxiai_otel.doctor import _endpoints, _report
from wxiai_otel.settings import load_settings

pytestmark = pytest.mark.built

TOKEN = "kP3-x_9.~+/Qw=="
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE"
# What is said of each in the log, by HTTP and by gRPC.
REFUSED = {
    "a wrong token": ({HEADERS: "Authorization=Bearer%20wrong"}, "401", "UNAUTHENTICATED"),
    "no token": ({HEADERS: ""}, "401", "missing or empty authorization header"),
    "an authority that is not ours": ({CERTIFICATE: ""}, "CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_VERIFY_FAILED"),
    "no TLS": ({"scheme": "http"}, "Failed to export", "UNAVAILABLE"),
}
PROTOCOLS = ("http/protobuf", "grpc")


@pytest.fixture(scope="module")
def sink():
    with grpc_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("certificates"), "DNS:localhost")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(f"the-next-one\n{TOKEN} # until all have the next one\n")
    return file


@pytest.fixture(scope="module")
def secured(sink, made, tokens):
    knobs = {
        "COLLECTOR_JAEGER": sink.url.removeprefix("http://"),
        "COLLECTOR_TLS_CERT": str(made.certificate),
        "COLLECTOR_TLS_KEY": str(made.key),
        "COLLECTOR_TOKENS": str(tokens),
    }
    with collector("traces", "secure", **knobs) as running:
        yield running


@pytest.fixture
def send(secured, made, monkeypatch):
    """Have an application be asked, and send; whether it could, and its telemetry."""

    async def send(protocol, job, scheme="https", seconds=10, **environ):
        address = (secured.grpc if protocol == "grpc" else secured.endpoint).partition("://")[2]
        settings = {
            CERTIFICATE: str(made.authority),
            HEADERS: f"Authorization=Bearer%20{TOKEN.replace('=', '%3D')}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
            "OTEL_SERVICE_NAME": job,
            **environ,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        app = FastAPI()
        endpoint = f"{scheme}://{address.replace('127.0.0.1', 'localhost')}"
        telemetry = setup_telemetry(app, otlp_endpoint=endpoint, otlp_protocol=protocol, trace_share=1)

        @app.get("/x")
        async def x():
            return "unharmed"

        answer = await get(app, "/x")
        assert (answer.status, answer.body) == (200, b'"unharmed"')
        return telemetry.force_flush(timeout=seconds), telemetry

    return send


@pytest.fixture(autouse=True)
def all_logged(monkeypatch):
    """Of the same message in the same 20 seconds gRPC's exporter logs one, and each test here is an application."""
    monkeypatch.setattr(logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter"), "filters", [])


@pytest.fixture
def job():
    return f"job-{uuid.uuid4().hex[:8]}"


def exports(telemetry):
    return scrape(telemetry).series("wxiai_otel_exports_total", "signal", "outcome")


def spans_of(sink, job):
    return [
        resource
        for request in sink.traces
        for resource in request.resource_spans
        for item in resource.resource.attributes
        if item.value.string_value == job
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_has_the_token_and_knows_the_authority_arrives(secured, sink, send, job, protocol):
    sent, telemetry = await send(protocol, job)
    assert sent
    assert exports(telemetry)["traces", "success"] == 1
    assert until(lambda: spans_of(sink, job))
    assert secured.exposition().value("http_requests_total", job=job) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", REFUSED)
async def test_anything_else_is_refused_and_told(secured, sink, send, job, caplog, protocol, what):
    environ, by_http, by_grpc = REFUSED[what]
    # What is refused is tried again until then.
    _, telemetry = await send(protocol, job, seconds=0.1, **environ)
    until(lambda: exports(telemetry)["metrics", "failed"])
    until(lambda: (by_grpc if protocol == "grpc" else by_http) in caplog.text)
    counted = exports(telemetry)
    assert counted["traces", "success"] == counted["metrics", "success"] == 0
    assert TOKEN not in caplog.text
    assert not secured.exposition().has("http_requests_total", job=job)
    assert not spans_of(sink, job)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_doctor_says_who_is_let_in(secured, made, monkeypatch, protocol):
    address = (secured.grpc if protocol == "grpc" else secured.endpoint).partition("://")[2]
    monkeypatch.setenv(CERTIFICATE, str(made.authority))
    settings = load_settings(
        {"otlp_endpoint": f"https://{address.replace('127.0.0.1', 'localhost')}", "otlp_protocol": protocol}
    )
    for token, state, words in (
        (TOKEN, "ok", "takes what is sent"),
        ("wrong", "failed", "does not match expected" if protocol == "grpc" else "401"),
    ):
        monkeypatch.setenv(HEADERS, f"Authorization=Bearer%20{token.replace('=', '%3D')}")
        report = _report.Report()
        _endpoints.look_at_otlp(report, settings)
        assert [found.state.value for found in report.findings] == [state] * 2
        assert all(words in found.message for found in report.findings)


async def test_other_authorities_and_passwords_of_the_machine_change_nothing(
    send, job, monkeypatch, tmp_path, tmp_path_factory
):
    others = certificates(tmp_path_factory.mktemp("others"), "DNS:localhost")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password of-another\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(others.authority))
    sent, _ = await send("http/protobuf", job)
    assert sent


async def test_a_token_that_is_taken_back_is_refused_without_a_restart(send, job, tokens):
    before = tokens.read_text()
    sent, telemetry = await send("http/protobuf", job)
    assert sent
    tokens.write_text("the-next-one\n")

    def refused():
        telemetry.force_flush(timeout=0.2)
        return exports(telemetry)["metrics", "failed"]

    try:
        until(refused)
    finally:
        tokens.write_text(before)


def test_without_a_certificate_it_does_not_start(sink, tokens):
    with (
        pytest.raises(AssertionError, match="no such file"),
        collector("traces", "secure", COLLECTOR_TLS_CERT="/nowhere.pem", COLLECTOR_TOKENS=str(tokens)),
    ):
        pass
