"""``scripts/dashboards``: the dashboards with live data where there is no Grafana, and their JSON."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from stack.running import default_data, url
from stack.state import holder, read_state

from . import PREVIEW_PORT
from .preview.browser import BrowserError
from .preview.pictures import take
from .preview.prometheus import Prometheus, PrometheusError
from .preview.server import Preview


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/dashboards",
        description="The dashboards with live data where there is no Grafana; pictures of them; their JSON from its source.",
    )
    parser.add_argument("--port", type=_port, default=PREVIEW_PORT, help="(default: %(default)s; 0: any)")
    parser.add_argument("--prometheus", help="its address (default: the one of scripts/stack, else localhost:9090)")
    parser.add_argument("--jaeger", help="its address, for the links of exemplars (default: likewise)")
    parser.add_argument("--png", type=Path, metavar="DIR", help="write a picture of each dashboard there, and end")
    parser.add_argument("--seconds", type=int, help="how far the pictures look back (default: as each dashboard says)")
    parser.add_argument("--generate", action="store_true", help="write dashboards/json from dashboards/source, and end")
    parser.add_argument("--check", action="store_true", help="fail where dashboards/json is not up to date")
    return parser.parse_args()


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return port


def _addresses(arguments: argparse.Namespace) -> tuple[str, str]:
    data = default_data()
    state = read_state(data) if holder(data) else None
    ports = state.ports if state else {}
    prometheus = url(state, "prometheus") if state and "prometheus" in ports else "http://localhost:9090"
    jaeger = url(state, "jaeger") if state and "jaeger" in ports else "http://localhost:16686"
    return arguments.prometheus or prometheus, arguments.jaeger or jaeger


def _serve(arguments: argparse.Namespace) -> int:
    prometheus, jaeger = _addresses(arguments)
    Prometheus(prometheus).ask("query", query="1")
    with Preview(0 if arguments.png else arguments.port, prometheus, jaeger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if arguments.png:
            for path in take(server.url, arguments.png, arguments.seconds):
                print(path)
            return 0
        print(f"The dashboards are at {server.url}, with data from {prometheus}. Ctrl-C ends.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


def main() -> int:
    """The exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _arguments()
    if arguments.generate or arguments.check:
        from .source.files import check, generate

        return check() if arguments.check else generate()
    try:
        return _serve(arguments)
    except (PrometheusError, BrowserError) as error:
        print(f"dashboards: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"dashboards: port {arguments.port}: {os.strerror(error.errno or 0)}; choose another with --port",
            file=sys.stderr,
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
