"""The variables that Kubernetes and Docker set for each service: none of them is a setting, whatever it is called."""

import pytest
from fastapi import FastAPI

from tests.internals import is_service_link, load_bridge
from wxiai_otel import setup_telemetry
from wxiai_otel.alerting import AlertConfigError


def kubernetes(service: str, address: str = "10.96.7.7", protocol: str = "TCP", **ports: int) -> dict[str, str]:
    """What a kubelet sets for a Service: pkg/kubelet/envvars/envvars.go."""
    prefix = service.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    first = next(iter(ports.values()))
    made = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(first)}
    made[f"{prefix}_PORT"] = f"{protocol.lower()}://{host}:{first}"
    for name, port in ports.items():
        made[f"{prefix}_SERVICE_PORT_{name.upper()}"] = str(port)
        of_port = f"{prefix}_PORT_{port}_{protocol}"
        made[of_port] = f"{protocol.lower()}://{host}:{port}"
        made |= {f"{of_port}_PROTO": protocol.lower(), f"{of_port}_PORT": str(port), f"{of_port}_ADDR": address}
    return made


def docker(alias: str) -> dict[str, str]:
    """What ``docker run --link`` sets besides."""
    prefix = alias.upper().replace("-", "_")
    return {f"{prefix}_NAME": f"/application/{alias}", f"{prefix}_ENV_LANG": "C", f"{prefix}_ENV_A_PORT": "8080"}


LINKS = [
    pytest.param(lambda service: kubernetes(service, http=9095), id="one port"),
    pytest.param(lambda service: kubernetes(service, http=9095, grpc_web=4317, metrics=80), id="several ports"),
    pytest.param(lambda service: kubernetes(service, "fd00::7:7", http=9095), id="IPv6"),
    pytest.param(lambda service: kubernetes(service, protocol="UDP", dns=53), id="UDP"),
    pytest.param(lambda service: kubernetes(service, protocol="SCTP", sig=5060), id="SCTP"),
    pytest.param(lambda service: {**kubernetes(service, http=9095), **docker(service)}, id="Docker"),
    pytest.param(docker, id="Docker, without ports"),
]


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("service", ["wxiai-bridge", "wxiai-bridge-email", "wxiai-bridge-email-smtp", "wxiai-brigde"])
def test_the_bridge_starts_beside_any_service(links, service, caplog):
    assert load_bridge(None, links(service)).channels == {}
    assert not caplog.text


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("service", ["wxiai-otel", "wxiai-otel-redis", "wxiai-otle", "wxiai", "otel", "otel-service"])
def test_no_warning_is_about_one(links, service, caplog, monkeypatch):
    for name, value in links(service).items():
        if name != "OTEL_SERVICE_NAME":  # which a link of Docker may set, and is a setting
            monkeypatch.setenv(name, value)

    setup_telemetry(FastAPI())

    assert "environment variable" not in caplog.text


@pytest.mark.parametrize("links", LINKS)
def test_each_is_one_by_itself_but_for_the_environment_of_another_container(links):
    environ = links("wxiai-bridge")
    alone = [name for name in environ if "_ENV_" not in name]

    assert all(is_service_link(name, {name: environ[name]}) for name in alone)
    assert all(is_service_link(name, environ) for name in environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WXIAI_BRIDGE_PORT", "9095"),
        ("WXIAI_BRIDGE_PORT", "tcp://bridge"),
        ("WXIAI_BRIDGE_PORT", "http://10.96.7.7:9095"),
        ("WXIAI_BRIDGE_PORT_9095_TCP", "9095"),
        ("WXIAI_BRIDGE_PORT_9095_TCP_PROTO", "http"),
        ("WXIAI_BRIDGE_SERVICE_HOST", "bridge.example.com"),
        ("WXIAI_BRIDGE_SERVICE_PORT", "http"),
        ("WXIAI_BRIDGE_NAME", "bridge"),
        ("WXIAI_BRIDGE_ENV_LANG", "C"),
    ],
)
def test_a_name_without_such_a_value_is_none_and_the_bridge_refuses_it(name, value):
    with pytest.raises(AlertConfigError, match=rf"\(from {name}\) is not known"):
        load_bridge(None, {name: value})


def test_a_key_that_looks_like_one_is_read():
    needed = {"SMTP_HOST": "mail.example.com", "FROM": "a@example.com", "TO": "b@example.com"}
    mail = {f"WXIAI_BRIDGE_EMAIL_{key}": value for key, value in needed.items()}
    link = kubernetes("wxiai-bridge-email", smtp=25)

    assert load_bridge(None, mail | link | {"WXIAI_BRIDGE_EMAIL_PORT": "2525"}).channels["email"]._port == 2525
    assert load_bridge(None, mail | link).channels["email"]._port == 587
