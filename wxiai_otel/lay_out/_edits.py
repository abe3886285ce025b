"""The files as they are chosen: texts are changed, since comments are for those who read the files."""

import re
from collections.abc import Callable, Mapping

from ._choices import BRIDGE, Choices, known_channel

COMPOSE = "docker-compose.yml"

# Of the example, which is in the repository only: the services below this heading, and what stands above the name.
_EXAMPLE = re.compile(r"  # ---- the example.*?(?=^networks:)", re.DOTALL | re.MULTILINE)
_HEADING = """\
# The pipeline: docker compose up --build --wait{then}
#
# What may be changed is in .env (each ${{NAME:-default}} below), in the files of alerts/, and in secrets/. Applications
# send to http://collector:4318 within the network; from the machine itself {published}
"""
_OWN_APPLICATION = """
# An application on the machine itself: publish the port in docker-compose.override.yml
#
#   services:
#     collector: {ports: ["127.0.0.1:4318:4318"]}
"""
_NO_TLS = re.compile(r"  # mailpit has no TLS\..*?  smtp_require_tls: false\n", re.DOTALL)
_PASSWORD = "/etc/alertmanager/secrets/smtp_password"  # noqa: S105 - where it is


def edited(texts: Mapping[str, str], choices: Choices) -> dict[str, str]:
    """The files' texts with what was chosen.

    Parameters:
        texts: Of the repository, by the files' names.
        choices: What was chosen.
    """
    edits: dict[str, Callable[[str, Choices], str]] = {
        COMPOSE: _compose,
        BRIDGE: _bridge,
        "alerts/alertmanager.yml": _alertmanager,
        "prometheus.yml": _prometheus,
        "dashboards/provisioning/datasources/wxiai.yaml": _datasources,
    }
    found = {name: edits[name](text, choices) if name in edits else text for name, text in texts.items()}
    rules = {name: text for name, text in found.items() if name.startswith("alerts/") and name.endswith("_alerts.yml")}
    found |= {name: _rules(text, choices) for name, text in rules.items()}
    left_out = {"jaeger": "jaeger.yaml", "grafana": "dashboards/"}
    prefixes = tuple(left_out[service] for service in choices.left_out if service in left_out)
    return {name: text for name, text in found.items() if not prefixes or not name.startswith(prefixes)}


def section(bridge: str, channel: str) -> str:
    """The lines of a channel in the bridge's configuration, which are comments."""
    found = re.search(rf"(?m)^# \[{re.escape(known_channel(channel))}\](?:.*\n)(?:# .*\n?)*", bridge)
    return found[0] if found is not None else ""


def _bridge(text: str, choices: Choices) -> str:
    for channel in choices.channels:
        lines = section(text, channel)
        text = text.replace(lines, re.sub(r"(?m)^# ", "", lines))
    return text


def _compose(text: str, choices: Choices) -> str:
    _, _, text = text.partition("\nname:")
    text = _EXAMPLE.sub("", f"\nname:{text}")
    for service in choices.left_out:
        text = _without_service(text, service)
    text = _without_unused_volumes(text)
    text = text.replace("${GRAFANA_PORT:-3000}", f"${{GRAFANA_PORT:-{choices.grafana_port}}}")
    if choices.traces_to is not None:
        text = text.replace("COLLECTOR_JAEGER: jaeger:14317", f'COLLECTOR_JAEGER: "{choices.traces_to}"')
    limit = "    mem_limit: ${COLLECTOR_MEMORY:-768m}\n"
    if choices.otlp_port is not None:
        text = text.replace(limit, f'{limit}    ports: ["127.0.0.1:{choices.otlp_port}:4318"]\n')
        return f"{_heading(choices)}{text}"
    return f"{_heading(choices)}{text}{_OWN_APPLICATION}"


def _heading(choices: Choices) -> str:
    grafana = "" if "grafana" in choices.left_out else f", then http://localhost:{choices.grafana_port}"
    port = choices.otlp_port
    published = "once the port is published, see the end." if port is None else f"to http://localhost:{port}."
    return _HEADING.format(then=grafana, published=published)


def _without_service(text: str, name: str) -> str:
    # With the comment above it; up to the next service, its comment, or the end of all services.
    block = rf"(?m)(?:^  #.*\n)*^  {name}:\n(?:(?:    .*)?\n)*?(?=^ {{0,2}}\S)"
    text = re.sub(block, "", text, count=1)
    return re.sub(rf"(?m)^      {name}: {{condition: .*}}\n", "", text)


def _without_unused_volumes(text: str) -> str:
    """Without the volumes that only `setup` mounts, to give them to those who are not there."""
    for name, target in re.findall(r"(?m)^      - ([\w-]+):(/(?:secrets|data)/\w+)$", text):
        if len(re.findall(rf"(?<![\w-]){name}:/", text)) == 1:
            text = text.replace(f"      - {name}:{target}\n", "")
            text = re.sub(rf"(?m)^  {name}:\n", "", text)
    return text


def _alertmanager(text: str, choices: Choices) -> str:
    if choices.mail_server is None:
        return text
    login = ""
    if choices.mail_user is not None:
        login = f'  smtp_auth_username: "{choices.mail_user}"\n  smtp_auth_password_file: {_PASSWORD}\n'
    text = text.replace("smtp_smarthost: mailpit:1025", f'smtp_smarthost: "{choices.mail_server}"')
    text = text.replace("smtp_from: alerts@example.com", f"smtp_from: {choices.mail_from}")
    text = _NO_TLS.sub(lambda _: f"  smtp_require_tls: true\n{login}", text)
    return re.sub(r"\bto: [\w-]+@example\.com", f"to: {choices.mail_to}", text)


def _prometheus(text: str, choices: Choices) -> str:
    if "jaeger" not in choices.left_out:
        return text
    return re.sub(r"(?m)^  - job_name: jaeger\n(?:    .*\n)*", "", text)


def _rules(text: str, choices: Choices) -> str:
    if "grafana" in choices.left_out:
        return re.sub(r"(?m)^ *dashboard_url: .*\n", "", text)
    return text.replace("http://localhost:3000/", f"http://localhost:{choices.grafana_port}/")


def _datasources(text: str, choices: Choices) -> str:
    if "jaeger" not in choices.left_out:
        return text
    text = re.sub(r"(?m)^      # The dots.*\n      exemplarTraceIdDestinations:\n(?:        .*\n)*", "", text)
    return re.sub(r"\n  - name: Jaeger\n(?:    .*\n)*", "", text)
