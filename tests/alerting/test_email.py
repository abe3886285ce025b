"""Mail, to a real SMTP server."""

import pytest

from tests.alerting.internals import Alert, Message, NotDelivered, Secret
from tests.servers.mailpit import mailpit
from wxiai_otel.alerting import AlertManager
from wxiai_otel.alerting.channels import Email

pytestmark = pytest.mark.built

PASSWORD = "a-password-0123456789"


def email(
    port, security="none", username="", password=PASSWORD, host="localhost", to=("a@example.com", "b@example.com")
):
    return Email(host, port, security, username, Secret(password), "alerts@example.com", to)


MESSAGE = Message((Alert("CreditsImbalance", "critical", "余额对不上\r\nBcc: x@example.com", details={"order": 7}),))


def test_a_mail_arrives_whole(mails):
    email(mails.smtp).send([MESSAGE], 5)
    (mail,) = mails.messages()
    assert mail["Subject"] == "[CRITICAL] 🚨 WXIAI告警: CreditsImbalance 余额对不上 Bcc: x@example.com"
    assert [one["Address"] for one in mail["To"]] == ["a@example.com", "b@example.com"]
    assert mail["From"]["Address"] == "alerts@example.com"
    assert not mail["Bcc"]
    assert "告警等级: CRITICAL" in mail["Text"]
    assert "- order: 7" in mail["Text"]


@pytest.fixture
def secure(tmp_path, certificate, monkeypatch):
    """A mail server with a login."""
    cert, key = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    users = tmp_path / "users"
    users.write_text(f"me:{PASSWORD}\n")

    def serve(*options, folder=tmp_path):
        return mailpit(
            folder, f"--smtp-tls-cert={cert}", f"--smtp-tls-key={key}", f"--smtp-auth-file={users}", *options
        )

    return serve


@pytest.mark.parametrize(
    ("security", "option"), [("starttls", "--smtp-require-starttls"), ("ssl", "--smtp-require-tls")]
)
def test_with_tls_and_a_login(secure, security, option):
    with secure(option) as mails:
        email(mails.smtp, security, "me").send([MESSAGE], 5)
        assert len(mails.messages()) == 1
        with pytest.raises(NotDelivered, match="SMTP 535") as refused:
            email(mails.smtp, security, "me", "wrong").send([MESSAGE], 5)
        assert not refused.value.passes
        # The certificate is of localhost.
        with pytest.raises(NotDelivered, match="certificate not accepted") as refused:
            email(mails.smtp, security, "me", host="127.0.0.1").send([MESSAGE], 5)
        assert not refused.value.passes
        assert len(mails.messages()) == 1


def test_no_starttls_where_it_is_asked_for(mails):
    with pytest.raises(NotDelivered, match="has no STARTTLS") as refused:
        email(mails.smtp, "starttls").send([MESSAGE], 5)
    assert not refused.value.passes
    assert not mails.messages()


def test_by_itself_encrypted_where_it_can_be_and_no_login_where_not(secure, mails, tmp_path):
    email(mails.smtp, "auto").send([MESSAGE], 5)
    assert len(mails.messages()) == 1
    with pytest.raises(NotDelivered, match="has no STARTTLS"):
        email(mails.smtp, "auto", "me").send([MESSAGE], 5)
    (tmp_path / "other").mkdir()
    with secure("--smtp-require-starttls", folder=tmp_path / "other") as others:
        email(others.smtp, "auto", "me").send([MESSAGE], 5)
        assert len(others.messages()) == 1


def test_no_login_where_there_is_none(mails):
    with pytest.raises(NotDelivered, match="has no AUTH"):
        email(mails.smtp, username="me").send([MESSAGE], 5)


def test_refused_recipients(tmp_path):
    with mailpit(tmp_path, "--smtp-allowed-recipients=^a@") as mails:
        with pytest.raises(NotDelivered, match="recipients refused: SMTP 550") as refused:
            email(mails.smtp, to=("x@example.com",)).send([MESSAGE], 5)
        assert not refused.value.passes
        # Those that are accepted get it.
        email(mails.smtp).send([MESSAGE], 5)
        assert len(mails.messages()) == 1


async def test_by_its_configuration(mails):
    section = {"smtp_host": "127.0.0.1", "smtp_port": mails.smtp, "from": "a@b.c", "to": "d@e.f"}
    told = await AlertManager({"enabled_channels": ["email"], "email": section}).send_alert("A", "info", "text")
    assert told["email"].delivered
    assert len(mails.messages()) == 1
