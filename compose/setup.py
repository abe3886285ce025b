"""The container before all others: checks the values of .env, hands out secrets, and gives volumes their owners.

Containers run as users of their own, and a new volume is root's. A secret is a file of the folder ``secrets``, else,
where it is one that only the containers tell each other, made up once and kept.
"""

import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIVEN = Path("/given")
KEPT = Path("/kept")
HANDED_OUT = Path("/secrets")
DATA = Path("/data")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A service that reads secrets.

    Parameters:
        user: Whom its files belong to.
        generated: Secrets that are made up where they are not given.
        given: Secrets of the outside world, which it has where they are given.
    """

    user: int
    generated: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


CONSUMERS = {
    # With compose/secure.yml.
    "collector": Consumer(10001, given=("otlp_tokens", "otlp_cert.pem", "otlp_key.pem")),
    "alertmanager": Consumer(65534, ("bridge_token",), ("smtp_password", "wechat_app_secret", "webhook_url")),
    "bridge": Consumer(
        10001,
        ("bridge_token",),
        (
            *("dingtalk_webhook_url", "dingtalk_secret", "wechat_webhook_url", "feishu_webhook_url", "feishu_secret"),
            *("smtp_password", "webhook_url", "webhook_token", "heartbeat_url", "heartbeat_token"),
        ),
    ),
    "application": Consumer(10001, ("postgresql_password", "task_secret")),
    "postgresql": Consumer(999, ("postgresql_password",)),
    "grafana": Consumer(472, ("grafana_admin_password",)),
}
# Whom the volumes with data belong to.
OWNERS = {
    "collector": 10001,
    "prometheus": 65534,
    "alertmanager": 65534,
    "jaeger": 10001,
    "grafana": 472,
    "mailpit": 10001,
    "redis": 999,
    "postgresql": 999,
}
_DURATION = re.compile(r"(?=\d)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
_GO_DURATION = re.compile(r"(?=\d)(\d+h)?(\d+m)?(\d+s)?")
# What docker compose itself cannot check, and what is allowed.
VALUES = {
    "PROMETHEUS_RETENTION": (_DURATION, "a duration, as 45d or 12h"),
    "JAEGER_RETENTION": (_GO_DURATION, "a duration, as 72h or 90m"),
    "COLLECTOR_METRIC_EXPIRATION": (_GO_DURATION, "a duration, as 30s or 3m"),
    "COLLECTOR_LOG_LEVEL": (re.compile("debug|info|warn|error"), "debug, info, warn or error"),
    "COLLECTOR_LOGS_EXPORTER": (re.compile("debug|otlp_http"), "debug or otlp_http"),
    "LOAD_VISITORS": (re.compile("[1-9]|[1-5][0-9]|60"), "a number from 1 to 60"),
    "TAIL_SAMPLING": (re.compile("process|collector"), "process or collector"),
    "GRAFANA_ANONYMOUS": (re.compile("true|false"), "true or false"),
}


class SetupError(Exception):
    """Something that the user can do something about; its text says what."""


def check(environ: Mapping[str, str]) -> None:
    """Raise `SetupError` where a value is not allowed; all of them are named."""
    wrong = [
        f"{name} is {environ[name]!r}; allowed is {allowed}"
        for name, (pattern, allowed) in VALUES.items()
        if name in environ and not pattern.fullmatch(environ[name])
    ]
    if wrong:
        raise SetupError("\n".join(wrong))


def secret(name: str) -> str | None:
    """A secret that is given; None where it is not."""
    file = GIVEN / name
    try:
        value = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"secrets/{name} cannot be read: {error}") from None
    if not value:
        raise SetupError(f"secrets/{name} is empty; remove it, or write the secret into it")
    return value


def made_up(name: str) -> str:
    """A secret that is given, else the one that was made up the first time."""
    value = secret(name)
    file = KEPT / name
    if value is None:
        value = file.read_text() if file.exists() else secrets.token_urlsafe(32)
    # Kept too where it was given: taken away again, it goes on.
    _write(file, value, 0)
    return value


def hand_out() -> None:
    """Write each consumer's secrets into its own volume, where nobody else reads them."""
    known = {name for consumer in CONSUMERS.values() for name in (*consumer.generated, *consumer.given)}
    unknown = sorted(file.name for file in GIVEN.iterdir() if file.name not in known and not _is_ours(file))
    if unknown:
        raise SetupError(f"secrets/{unknown[0]} is nobody's; allowed are {', '.join(sorted(known))}")
    for name, consumer in CONSUMERS.items():
        folder = HANDED_OUT / name
        values = {name: made_up(name) for name in consumer.generated}
        values |= {name: value for name in consumer.given if (value := secret(name)) is not None}
        for left in folder.iterdir():
            if left.name not in values:
                left.unlink()
        for file, value in values.items():
            _write(folder / file, value, consumer.user)
        _own(folder, consumer.user)


def _is_ours(file: Path) -> bool:
    return file.name.startswith(".") or file.name == "README.md"


def _write(file: Path, value: str, user: int) -> None:
    # Whoever reads it meanwhile has the old one or the new one.
    part = file.with_name(f".{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(value)
    part.chmod(0o400)
    os.chown(part, user, user)
    part.rename(file)


def _own(folder: Path, user: int) -> None:
    os.chown(folder, user, user)
    folder.chmod(0o700)


def main() -> int:
    """Do all of it; the exit status."""
    try:
        check(os.environ)
        hand_out()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    for name, user in OWNERS.items():
        _own(DATA / name, user)
    return 0


if __name__ == "__main__":
    sys.exit(main())
