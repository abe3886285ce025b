"""Whoever the bridge's webhook tells: each body is a line of its log."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        print(  # noqa: T201 - it is what the test reads
            body.decode().replace("\n", " "), flush=True
        )
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_) -> None:
        """Only bodies."""


HTTPServer(("0.0.0.0", 8080), _Handler).serve_forever()
