"""The bridge as a process."""

import logging
import threading
from ipaddress import ip_address
from types import FrameType

import uvicorn

from ..._data import data_folder
from .._errors import AlertConfigError
from ._app import Bridge, on
from ._config import BridgeConfig
from ._http import MAX_HEADER_BYTES, BoundedHttp

logger = logging.getLogger("wxiai_otel.bridge")

# Longer than an attempt may take: what is under way is answered.
_END_SECONDS = 8
_MAX_CONNECTIONS = 500


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, bridge: Bridge) -> None:
        super().__init__(config)
        self._bridge = bridge

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # In a thread: a handler of signals may have interrupted whoever holds the lock.
        threading.Thread(target=self._bridge.end).start()
        super().handle_exit(sig, frame)


def serve(config: BridgeConfig, host: str, port: int) -> int:
    """Serve until the process is told to end.

    Parameters:
        config: See `BridgeConfig`.
        host: Where to listen.
        port: Likewise.

    Returns:
        The exit status.
    """
    if not config.token and not _is_loopback(host):
        raise AlertConfigError(f"bridge.token is missing: {host} is not loopback, and anyone there could send alerts")
    bridge = Bridge(config, data_folder("alerts") / "runbooks")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logger.info("channels switched on: %s", on(config.channels))
    server = _Server(uvicorn_config(bridge, host, port), bridge)
    server.run()
    return 0 if server.started else 1


def uvicorn_config(bridge: Bridge, host: str, port: int) -> uvicorn.Config:
    """Return the configuration of the server, with its limits."""
    return uvicorn.Config(
        bridge.app,
        host=host,
        port=port,
        loop="asyncio",
        http=BoundedHttp,
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        access_log=False,
        server_header=False,
        log_config=None,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_END_SECONDS,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
