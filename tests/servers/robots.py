"""Stand-ins of the chats' robots: they check what the real ones check, and answer as the real ones do."""

import gzip
import hashlib
import hmac
import json
import socket
import struct
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECRET = "SEC-of-the-robot-0123456789"
TOKEN = "token-of-the-robot-0123456789"
MINUTE = 60.0

_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"
_LARGE = 2**16 * b"x"
_SLOW = 0.05
# Responses without an end: how they begin, what they repeat, and the seconds between.
FLOODS = {
    "slow status": (b"HTTP/1.1 200 ", b"O", _SLOW),
    "slow header": (_OK + b"x: ", b"y", _SLOW),
    "slow body": (_OK + b"content-length: 1000000\r\n\r\n", b" ", _SLOW),
    "slow body until the end": (b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n", b" ", _SLOW),
    "slow chunks": (_CHUNKED, b"1\r\n \r\n", _SLOW),
    "slow chunk size": (_CHUNKED, b"0", _SLOW),
    "silence": (b"", b"", _SLOW),
    "status": (b"HTTP/1.1 200 ", _LARGE, 0),
    "header": (_OK + b"x: ", _LARGE, 0),
    "headers": (_OK, b"x: y\r\n", 0),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n", 0),
    "body": (_OK + b"\r\n", _LARGE, 0),
    "chunks": (_CHUNKED, b"10000\r\n" + _LARGE + b"\r\n", 0),
    "chunk size": (_CHUNKED + b"1;", _LARGE, 0),
    "gzip": (_OK + b"content-encoding: gzip\r\n\r\n", gzip.compress(2**24 * b" "), 0),
}


class Robots(ThreadingHTTPServer):
    """All robots on one port, and a sink that takes anything at /sink.

    Attributes:
        accepted: (robot, body) of what has been accepted.
        accepted_at: When each was, in seconds of the epoch.
        seen: (robot, body, when) of everything, accepted or not.
        flooded: Bytes sent of responses that have no end.
        released: Requests whose fault is ``hold`` wait for it, and are then treated as any other.
        faults: What happens instead of the check, by robot: one after the other; the last goes on where ``forever``.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted: list[tuple[str, dict]] = []
        self.accepted_at: list[float] = []
        self.seen: list[tuple[str, dict, float]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, list[str]] = {}
        self.forever: dict[str, str] = {}
        self.flooded = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.released = threading.Event()

    def url(self, robot: str) -> str:
        base = f"http://127.0.0.1:{self.server_address[1]}"
        return {
            "dingtalk": f"{base}/robot/send?access_token={TOKEN}",
            "wechat": f"{base}/cgi-bin/webhook/send?key={TOKEN}",
            "feishu": f"{base}/open-apis/bot/v2/hook/{TOKEN}",
            "webhook": f"{base}/sink?token={TOKEN}",
        }[robot]

    def of(self, robot: str) -> list[dict]:
        return [body for name, body in self.accepted if name == robot]

    def attempts(self, robot: str) -> list[float]:
        return [when for name, _, when in self.seen if name == robot]

    def handle_error(self, request, client_address) -> None:
        """A client that has gone is part of the test."""


class _Handler(BaseHTTPRequestHandler):
    server: Robots
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        robot = {"robot": "dingtalk", "cgi-bin": "wechat", "open-apis": "feishu", "sink": "webhook"}[
            urlsplit(self.path).path.split("/")[1]
        ]
        body = json.loads(raw)
        with self.server.lock:
            self.server.seen.append((robot, body, time.monotonic()))
            self.server.headers.append(dict(self.headers))
            faults = self.server.faults.get(robot)
            fault = faults.pop(0) if faults else self.server.forever.get(robot)
        if fault is not None and not self._fault(fault, robot):
            return
        refusal = getattr(self, f"_{robot}")(raw, body)
        if refusal is None:
            with self.server.lock:
                self.server.accepted.append((robot, body))
                self.server.accepted_at.append(time.time())
        self._answer(200, refusal or self._ok(robot))

    def _fault(self, fault: str, robot: str) -> bool:
        """Do it; whether the request is then treated as any other."""
        kind, _, value = fault.partition(":")
        if kind in {"slow", "hold"}:
            (self.server.ended if kind == "slow" else self.server.released).wait(float(value or 60))
            return True
        if kind == "hang":
            self.server.ended.wait(60)
        elif kind == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.server.ended.wait(0.1):
                self.wfile.write(b"X: y\r\n")
        elif kind == "flood":
            self._flood(value)
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Only then is the last reference to it gone.
            self.rfile.close()
            self.connection.close()
            self.close_connection = True
        elif kind == "html":
            self._send(200, b"<html>login</html>", "text/html")
        elif kind == "errcode":
            number, _, text = value.partition(":")
            names = ("code", "msg") if robot == "feishu" else ("errcode", "errmsg")
            self._answer(200, {names[0]: int(number), names[1]: text or "refused"})
        elif kind.endswith("code"):
            number, _, text = value.partition(":")
            self._answer(int(kind.removesuffix("code")), {"code": int(number), "msg": text, "data": {}})
        else:
            self._answer(int(kind), {"message": "no"}, [("Retry-After", each) for each in value.split("|")])
        return False

    def _flood(self, kind: str) -> None:
        """Send a response that has no end, in one of many ways, until the client leaves."""
        self.close_connection = True
        begin, repeated, pause = FLOODS[kind]
        with suppress(OSError):
            self.wfile.write(begin)
            while not self.server.ended.wait(pause):
                self.wfile.write(repeated)
                with self.server.lock:
                    self.server.flooded += len(repeated)

    def _dingtalk(self, raw: bytes, body: dict) -> dict | None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if query.get("access_token") != TOKEN:
            return {"errcode": 300005, "errmsg": "token is not exist"}
        if len(raw) > 20_000:
            return {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}
        expected = hmac.new(SECRET.encode(), f"{query.get('timestamp')}\n{SECRET}".encode(), hashlib.sha256).digest()
        if query.get("sign") != b64encode(expected).decode():
            return {"errcode": 310000, "errmsg": "sign not match"}
        if abs(time.time() - int(query["timestamp"]) / 1000) > 3600:
            return {"errcode": 310000, "errmsg": "invalid timestamp"}
        if body["msgtype"] != "markdown" or not body["markdown"]["title"] or not body["markdown"]["text"]:
            return {"errcode": 400105, "errmsg": "unsupported"}
        return self._too_many("dingtalk", {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"})

    def _wechat(self, raw: bytes, body: dict) -> dict | None:
        if urlsplit(self.path).query != f"key={TOKEN}":
            return {"errcode": 93000, "errmsg": f"invalid webhook url, hint: {self.path}"}
        if body["msgtype"] != "markdown" or len(body["markdown"]["content"].encode()) > 4096:
            return {"errcode": 40058, "errmsg": "markdown.content exceed max length 4096"}
        return self._too_many("wechat", {"errcode": 45009, "errmsg": "api freq out of limit"})

    def _feishu(self, raw: bytes, body: dict) -> dict | None:
        if not self.path.endswith(f"/{TOKEN}"):
            return {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}
        if len(raw) > 20 * 1000 or body.get("msg_type") != "interactive":
            return {"code": 9499, "msg": "Bad Request"}
        expected = hmac.new(f"{body.get('timestamp')}\n{SECRET}".encode(), b"", hashlib.sha256).digest()
        if body.get("sign") != b64encode(expected).decode() or abs(time.time() - int(body["timestamp"])) > 3600:
            return {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
        return None

    def _webhook(self, raw: bytes, body: dict) -> dict | None:
        return None

    def _too_many(self, robot: str, refusal: dict) -> dict | None:
        now = time.monotonic()
        return refusal if sum(now - when < MINUTE for when in self.server.attempts(robot)) > 20 else None

    def _ok(self, robot: str) -> dict:
        return {"code": 0, "msg": "success", "data": {}} if robot == "feishu" else {"errcode": 0, "errmsg": "ok"}

    def _answer(self, status: int, said: dict, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._send(status, json.dumps(said).encode(), "application/json", headers)

    def _send(self, status: int, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        own = [("content-type", content_type), ("content-length", str(len(body)))]
        for name, value in (*own, *((name, value) for name, value in headers if value)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Say nothing."""


@contextmanager
def robots() -> Iterator[Robots]:
    """Serve them until the block ends."""
    server = Robots()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
