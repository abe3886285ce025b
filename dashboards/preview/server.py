"""The page, and its data: a dashboard's JSON, its variables' values, its panels' series."""

import json
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import plotly

from dashboards.files import UIDS, load, panels, variables
from dashboards.variables import Window

from .prometheus import Prometheus, PrometheusError

HOST = "127.0.0.1"
_NOTHING = b"there is nothing here"
_PAGE = Path(__file__).with_name("page")
_PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript; charset=utf-8"}
_STATIC = {path.name: path for path in (*_PAGE.iterdir(), _PLOTLY)}
# Pages of other sites can make a browser ask loopback; their names are not these.
_NAMES = ("127.0.0.1", "localhost")


class Preview(ThreadingHTTPServer):
    """Serves the dashboards on loopback.

    Parameters:
        port: Any free one where it is 0.
        prometheus: Prometheus' address.
        jaeger: Jaeger's, for the links of exemplars.
    """

    daemon_threads = True

    def __init__(self, port: int, prometheus: str, jaeger: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.prometheus = Prometheus(prometheus)
        self.jaeger = jaeger

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Preview
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        asked = parse_qs(address.query)
        try:
            if self.headers.get("host", "").partition(":")[0] not in _NAMES:
                self._answer(HTTPStatus.FORBIDDEN, b"ask by the address that scripts/dashboards has printed")
            elif parts == [""]:
                self._redirect(f"/d/{UIDS[0]}")
            elif parts[0] == "d" and parts[1:2]:
                load(parts[1])
                self._file("page.html")
            elif parts[0] == "static" and parts[1:] and parts[1] in _STATIC:
                self._file(parts[1])
            elif parts[0] == "api":
                self._json(self._data(parts[1:], asked))
            else:
                self._answer(HTTPStatus.NOT_FOUND, _NOTHING)
        except (KeyError, IndexError, StopIteration):
            self._answer(HTTPStatus.NOT_FOUND, _NOTHING)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error).encode())
        except PrometheusError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, str(error).encode())

    def _data(self, parts: list[str], asked: dict[str, list[str]]) -> Any:
        ask = self.server.prometheus
        window = _window(asked)
        match parts:
            case ["dashboards"]:
                return {
                    "jaeger": self.server.jaeger,
                    "dashboards": [{"uid": uid, "title": load(uid)["title"]} for uid in UIDS],
                }
            case ["dashboards", uid]:
                return load(uid)
            case ["values", uid, name]:
                chosen = _chosen(uid, asked)
                return ask.values(variables(load(uid))[name]["query"]["query"], chosen, window)
            case ["panels", uid, number]:
                panel = next(one for one in panels(load(uid)) if one["id"] == int(number))
                return ask.panel(panel, _chosen(uid, asked), window)
            case ["annotations", uid]:
                (annotation,) = load(uid)["annotations"]["list"]
                return ask.panel({"targets": [{"refId": "A", "expr": annotation["expr"]}]}, {}, window)
        raise KeyError(parts)

    def _json(self, data: Any) -> None:
        self._answer(HTTPStatus.OK, json.dumps(data).encode(), "application/json")

    def _file(self, name: str) -> None:
        path = _STATIC[name]
        self._answer(HTTPStatus.OK, path.read_bytes(), _TYPES[path.suffix], keep=path is _PLOTLY)

    def _redirect(self, path: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("location", path)
        self.send_header("content-length", "0")
        self.end_headers()

    def _answer(
        self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8", *, keep: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "max-age=86400" if keep else "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal is the user's."""


def _window(asked: dict[str, list[str]]) -> Window:
    """The last seconds, an hour where nothing is said, for a number of points."""
    seconds, points = (int(asked.get(name, [default])[0]) for name, default in (("seconds", "3600"), ("points", "300")))
    if not (0 < seconds <= 366 * 86400 and 0 < points <= 2000):  # noqa: PLR2004 - a year, and a wide screen
        raise ValueError("seconds is at most a year, points at most 2000")
    now = time.time()
    return Window(now - seconds, now, points)


def _chosen(uid: str, asked: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: asked.get(f"var-{name}", []) for name in variables(load(uid))}
