"""Mail that a server does not take, by servers that say what a test wants. Mail to a real one: `test_email`."""

import socket
import threading
import time

import pytest

from tests.alerting.internals import NotDelivered
from tests.alerting.test_email import MESSAGE, email


@pytest.mark.parametrize(
    ("first", "second", "passes"), [(450, 451, True), (450, 550, False), (550, 450, False), (550, 553, False)]
)
def test_it_is_sent_again_unless_a_recipient_is_refused_for_good(first, second, passes):
    """The first code is of ``a@example.com``, the second one of ``b@example.com``."""
    replies = {b"rcpt to:<a": first, b"rcpt to:<b": second}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 ready\r\n")
                for line in lines:
                    code = next((code for start, code in replies.items() if line.lower().startswith(start)), 250)
                    connection.sendall(b"%d said\r\n" % code)

        thread = threading.Thread(target=serve)
        thread.start()
        codes = ", ".join(map(str, sorted((first, second))))
        with pytest.raises(NotDelivered, match=f"recipients refused: SMTP {codes}") as refused:
            email(listener.getsockname()[1], host="127.0.0.1").send([MESSAGE], 30)
        thread.join()
    assert refused.value.passes == passes


@pytest.mark.parametrize("said", [b"", b"220 slow\r\n", b"421 busy\r\n"])
def test_a_server_that_hangs_or_is_busy_passes(said):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)
                ended.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        with pytest.raises(NotDelivered) as refused:
            email(listener.getsockname()[1]).send([MESSAGE], 0.5)
        ended.set()
        thread.join()
    assert time.monotonic() - began < 30
    assert refused.value.passes
    assert refused.value.reason == ("SMTP 421" if said.startswith(b"421") else "no answer within 0.5 s")
