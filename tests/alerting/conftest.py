import subprocess
from collections.abc import Iterator

import pytest

from tests.alerting import internals
from tests.servers import robots as robots_module
from tests.servers.mailpit import Mailpit, mailpit
from tests.servers.robots import SECRET, Robots, robots

FASTER = 10


@pytest.fixture
def sink() -> Iterator[Robots]:
    with robots() as server:
        yield server


@pytest.fixture(autouse=True)
def forgotten():
    """No test has the manager of another."""
    internals.manager._manager = None
    yield
    if internals.manager._manager is not None:
        internals.manager._manager.close()
    internals.manager._manager = None


@pytest.fixture
def config(sink) -> dict:
    """All channels that speak HTTP."""
    return {
        "enabled_channels": ["webhook", "dingtalk", "wechat", "feishu"],
        "webhook": {"enabled": True, "url": sink.url("webhook")},
        "dingtalk": {"enabled": True, "webhook_url": sink.url("dingtalk"), "secret": SECRET},
        "wechat": {"enabled": True, "webhook_url": sink.url("wechat")},
        "feishu": {"enabled": True, "webhook_url": sink.url("feishu"), "secret": SECRET},
    }


@pytest.fixture
def faster(monkeypatch) -> None:
    """Robots and their senders take as many messages in six seconds as in a minute otherwise."""
    monkeypatch.setattr(robots_module, "MINUTE", robots_module.MINUTE / FASTER)
    monkeypatch.setattr(internals.sender, "Rate", lambda burst, interval: internals.Rate(burst, interval / FASTER))


@pytest.fixture
def mails(tmp_path) -> Iterator[Mailpit]:
    with mailpit(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """(certificate, key) for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"
