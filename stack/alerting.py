"""What the programs of alerting read, laid out in the stack's folder with its addresses in docker-compose's place."""

import secrets
from pathlib import Path

from .programs import ROOT
from .speed import faster

ALERTS = ROOT / "alerts"
_SECRETS = "/etc/alertmanager/secrets/"
# A Prometheus built as a Go module has its API and no pages.
_QUERY = "{{ .GeneratorURL }}"
_API_QUERY = r'{{ reReplaceAll "/graph\\?g0\\.expr=([^&]*).*" "/api/v1/query?query=$1" .GeneratorURL }}'


def lay_out_alertmanager(data: Path, bridge: str, smtp: str) -> Path:
    """alertmanager.yml.

    Parameters:
        data: The stack's folder.
        bridge: host:port.
        smtp: Likewise.
    """
    text = faster((ALERTS / "alertmanager.yml").read_text())
    for literal, here in (
        ("http://bridge:9095/", f"http://{bridge}/"),
        ("smtp_smarthost: mailpit:1025", f"smtp_smarthost: {smtp}"),
        (_SECRETS, f"{data / 'secrets'}/"),
        (_QUERY, _API_QUERY),
    ):
        text = text.replace(literal, here)
    return _written(data / "alertmanager.yml", text)


def lay_out_rules(folder: Path, bridge: str) -> Path:
    """Write the rules, with links to the runbooks of this stack's bridge, and return the folder.

    Parameters:
        folder: Each program has its own, since existing rules are deleted first.
        bridge: host:port.
    """
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.yml"):
        old.unlink()
    for pattern in ("*_alerts.yml", "*_rules.yml"):
        for rules in ALERTS.glob(pattern):
            text = faster(rules.read_text())
            _written(folder / rules.name, text.replace("http://localhost:9095/", f"http://{bridge}/"))
    return folder


def lay_out_bridge(data: Path) -> Path:
    """bridge.toml, which is the user's once it is there, and the token that Alertmanager shows.

    Parameters:
        data: The stack's folder.
    """
    token = data / "secrets" / "bridge_token"
    token.parent.mkdir(mode=0o700, exist_ok=True)
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(32))
    config = data / "bridge.toml"
    return config if config.exists() else _written(config, (ALERTS / "bridge.toml").read_text())


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
