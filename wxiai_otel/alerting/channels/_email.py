"""Mail, by SMTP."""

import io
import logging
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Literal

from ..._remote import bounded_file
from .._errors import NotDelivered
from .._message import Message
from .._post import why
from .._render import plain, title
from .._secret import Secret
from .._text import one_line
from ._unlimited import Unlimited

Security = Literal["auto", "starttls", "ssl", "none"]

_MAX_TEXT = 100_000
_MAX_SUBJECT = 200
_PASSES_BELOW = 500
_READY = 220

logger = logging.getLogger("wxiai_otel")


class _Replies:
    """Bounds the replies of an SMTP server in time and size: smtplib collects lines until the server ends a reply."""

    deadline = 0.0
    file: io.BufferedReader | None
    sock: socket.socket | None

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = bounded_file(self.sock, self.deadline)
        reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc] # of smtplib
        return reply


class _Smtp(_Replies, smtplib.SMTP):
    pass


class _SmtpSsl(_Replies, smtplib.SMTP_SSL):
    pass


class Email(Unlimited):
    """Mail to a list of people.

    Parameters:
        host: Of the SMTP server.
        port: Of it.
        security: ``starttls``, ``ssl`` or ``none``; ``auto`` is STARTTLS where the server has it, and no login without.
        username: Empty: without a login.
        password: Of the user.
        sender: The address it comes from.
        to: The addresses it goes to.
    """

    name = "email"
    workers = 2

    def __init__(
        self,
        host: str,
        port: int,
        security: Security,
        username: str,
        password: Secret,
        sender: str,
        to: Sequence[str],
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._sender = sender
        self._to = tuple(to)

    def send(self, messages: Sequence[Message], seconds: float) -> None:
        """See `Channel.send`."""
        mail, deadline = self._mail(messages[0]), time.monotonic() + seconds
        context = ssl.create_default_context()
        # With a name of its own it asks no name server for one.
        own = socket.gethostname()
        smtp = (
            _SmtpSsl(local_hostname=own, timeout=seconds, context=context)
            if self._security == "ssl"
            else _Smtp(local_hostname=own, timeout=seconds)
        )
        smtp.deadline = deadline
        try:
            try:
                self._deliver(smtp, mail, context)
            except (OSError, smtplib.SMTPException):
                # smtplib takes a socket's timeout for a connection that was closed.
                if time.monotonic() >= deadline:
                    raise TimeoutError from None
                raise
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"SMTP {error.smtp_code}", passes=error.smtp_code < _PASSES_BELOW) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            said = ", ".join(str(code) for code in codes)
            raise NotDelivered(f"recipients refused: SMTP {said}", passes=max(codes) < _PASSES_BELOW) from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotDelivered(f"the SMTP server has no {_missing(error)}", passes=False) from None
        except smtplib.SMTPServerDisconnected:
            raise NotDelivered("the SMTP server has closed the connection", passes=True) from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            passes = not isinstance(error, ValueError | ssl.SSLCertVerificationError)
            raise NotDelivered(why(error, seconds), passes=passes) from None
        finally:
            smtp.close()

    def _deliver(self, smtp: smtplib.SMTP, mail: EmailMessage, context: ssl.SSLContext) -> None:
        # SMTP_SSL and starttls check the certificate against this name.
        smtp._host = self._host  # type: ignore[attr-defined]  # noqa: SLF001 - set by the constructor that connects
        code, said = smtp.connect(self._host, self._port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        smtp.ehlo_or_helo_if_needed()
        encrypted = self._security == "starttls" or (self._security == "auto" and smtp.has_extn("starttls"))
        if encrypted:
            smtp.starttls(context=context)
        if self._username:
            if self._security == "auto" and not encrypted:
                raise smtplib.SMTPNotSupportedError("STARTTLS")
            smtp.login(self._username, self._password.reveal())
        if refused := smtp.send_message(mail, self._sender, self._to):
            logger.warning("mail: %d of %d recipients were refused", len(refused), len(self._to))
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()

    def _mail(self, message: Message) -> EmailMessage:
        first = message.first
        mail = EmailMessage(policy=SMTP)
        state = "RESOLVED" if message.resolved else one_line(first.severity, _MAX_SUBJECT).upper()
        mail["Subject"] = one_line(f"[{state}] {first.emoji} {title(message)} {first.summary}", _MAX_SUBJECT)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Date"] = formatdate(localtime=True)
        mail["Message-ID"] = make_msgid(domain="wxiai-otel")
        # Nobody's out-of-office answers it.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain(message, _MAX_TEXT))
        return mail


def _missing(error: smtplib.SMTPNotSupportedError) -> str:
    text = str(error)
    return "STARTTLS" if "STARTTLS" in text else "AUTH" if "AUTH" in text else "SMTPUTF8"
