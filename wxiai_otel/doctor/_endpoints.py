"""Whether what is configured can be reached: OTLP receivers, Redis, a running application; and whose clock is wrong."""

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics.export import MetricsData

from .._exporters import endpoints, log_exporter, metric_exporter, span_exporter
from ..settings import Settings
from ._http import Answer, get, why
from ._instrumentation import warnings
from ._report import Report, State

SECTION = "endpoints"
_SECONDS = 3.0
_MOST_SKEW = 5.0
_USUAL_PORTS = {"http": 80, "https": 443}
_OK = 200
_UNAUTHORIZED = 401


def look_at_otlp(report: Report, settings: Settings) -> None:
    """Whether each signal's receiver takes a request, which is an empty one."""
    found = endpoints(settings)
    if not found:
        message = "nothing is sent: OTEL_EXPORTER_OTLP_ENDPOINT is not set; metrics are at the embedded endpoint only"
        report.add(SECTION, "otlp", State.NOTE, message)
    for signal, endpoint in found.items():
        try:
            _connect(endpoint)
            refused = _refused(signal, settings)
            state, message = (State.FAILED, f"refuses: {refused}") if refused else (State.OK, "takes what is sent")
            report.add(SECTION, f"otlp {signal}", state, f"{endpoint} {message}")
        except (OSError, ValueError) as error:
            report.add(SECTION, f"otlp {signal}", State.FAILED, f"{endpoint} cannot be reached: {why(error)}")


def _refused(signal: str, settings: Settings) -> str | None:
    """Why a request with nothing in it is not taken, as without the token that is wanted; ``None``: it is."""
    nothing = {"traces": [], "metrics": MetricsData([]), "logs": []}
    exporter: Any = {"traces": span_exporter, "metrics": metric_exporter, "logs": log_exporter}[signal](settings)
    with warnings("opentelemetry") as said:
        taken = exporter.export(nothing[signal]).value == 0
    exporter.shutdown()
    # The last one may say only that it was tried in vain.
    return None if taken else max(said, key=len, default="no reason")


def look_at_redis(report: Report, settings: Settings) -> None:
    """Whether the Redis that the workers share answers, where it is named by a URL."""
    url = settings.state_redis or settings.redis_client
    if not isinstance(url, str) or url == "memory":
        return
    from redis import Redis

    client = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        client.ping()
        report.add(SECTION, "state_redis", State.OK, "answers")
    except Exception as error:  # noqa: BLE001 - redis-py raises what it likes; its text may name the password
        report.add(SECTION, "state_redis", State.FAILED, f"does not answer: {type(error).__name__}")
    finally:
        client.close()


def look_at_running(report: Report, url: str, settings: Settings) -> None:
    """What a running application shows at its endpoints.

    Parameters:
        report: Is told.
        url: The application's.
        settings: Their prefix and token.
    """
    base = url.rstrip("/") + settings.prefix
    token = {"Authorization": f"Bearer {settings.metrics_token}"} if settings.metrics_token else {}
    answer = ask(report, f"{base}/metrics", token)
    if answer is not None and answer.status == _OK:
        _look_at_exposition(report, f"{base}/metrics", answer.body)
    elif answer is not None:
        what = "asks for a token: set WXIAI_OTEL_METRICS_TOKEN" if answer.status == _UNAUTHORIZED else "is no endpoint"
        report.add(SECTION, f"{base}/metrics", State.FAILED, f"{answer.status}: {what}")
    answer = ask(report, f"{base}/health", {})
    if answer is not None:
        state = State.OK if answer.status == _OK else State.WARNING
        report.add(SECTION, f"{base}/health", state, f"{answer.status} {answer.body[:500]}")


def ask(report: Report, url: str, headers: dict[str, str]) -> Answer | None:
    """Ask an address, and compare the clocks; ``None`` where it does not answer, which is a failure."""
    try:
        answer = get(url, headers)
    except (OSError, ValueError) as error:
        report.add(SECTION, url, State.FAILED, f"cannot be reached: {why(error)}")
        return None
    _compare_clocks(report, url, answer)
    return answer


def _look_at_exposition(report: Report, url: str, body: str) -> None:
    names = {line.split("{")[0].split(" ")[0] for line in body.splitlines() if line and not line.startswith("#")}
    if "system_info" not in names:
        report.add(SECTION, url, State.FAILED, "shows no metrics: telemetry is disabled there, or is another's")
        return
    report.add(SECTION, url, State.OK, f"shows {len(names)} metrics")
    for line in body.splitlines():
        if line.startswith("wxiai_otel_faults_total{"):
            report.add(SECTION, "faults", State.WARNING, f"{line}; see the application's log")


def _compare_clocks(report: Report, url: str, answer: Answer) -> None:
    name = f"clock of {urlsplit(url).netloc}"
    if answer.skew is None or any(finding.name == name for finding in report.findings):
        return
    state = State.WARNING if abs(answer.skew) > _MOST_SKEW else State.OK
    report.add("clock", name, state, f"{abs(answer.skew):.0f} s {'ahead of' if answer.skew > 0 else 'behind'} ours")


def _connect(endpoint: str) -> None:
    """Take a connection, and leave it.

    Raises:
        OSError: It is not taken.
        ValueError: It is no address.
    """
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    port = parts.port or _USUAL_PORTS.get(parts.scheme, 4317)
    with socket.create_connection((parts.hostname or "localhost", port), _SECONDS):
        pass


def look_at_workers_folder(report: Report, settings: Settings) -> None:
    """Whether the folder in which workers find each other can be used, where it is named."""
    folder = settings.workers_folder
    if folder in ("", "none"):
        return
    usable = os.path.isdir(folder) and os.access(folder, os.W_OK)  # noqa: PTH112 - as it is given
    message = "can be used" if usable else "is made by the first worker, or cannot be written"
    report.add(SECTION, f"workers folder {folder}", State.OK if usable else State.WARNING, message)
