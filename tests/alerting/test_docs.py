"""The page on notifications is of this code."""

import re

import pytest

from stack.programs import ROOT
from tests.alerting.internals import app, config, late, payload, remote, sender
from wxiai_otel.alerting import AlertConfigError
from wxiai_otel.alerting.channels import DingTalk, Feishu, WeChat

PAGE = (ROOT / "docs" / "notifications.md").read_text()
# Other words for the same, for configurations that have them.
OLD = {"url", "port", "host", "webhook_url", "use_tls", "use_ssl", "smtp_server", "sender", "recipients"}
OLD |= {"smtp_user", "smtp_username", "smtp_password", "from_email", "from_addr", "to_emails", "to_addrs"}
NEEDED = {
    "DINGTALK_WEBHOOK_URL": "http://x",
    "WECHAT_WEBHOOK_URL": "http://x",
    "FEISHU_WEBHOOK_URL": "http://x",
    "EMAIL_SMTP_HOST": "x",
    "EMAIL_FROM": "a@b.c",
    "EMAIL_TO": "a@b.c",
    "WEBHOOK_URL": "http://x",
    "HEARTBEAT_URL": "http://x",
}


@pytest.mark.parametrize("section", [*config.ALL_CHANNELS, "bridge"])
def test_the_table_has_every_key(section):
    needed = {f"WXIAI_BRIDGE_{name}": value for name, value in NEEDED.items()}
    unknown = f"WXIAI_BRIDGE_{section.upper()}_NONE" if section != "bridge" else "WXIAI_BRIDGE_NONE"
    with pytest.raises(AlertConfigError) as refused:
        config.load(None, {**needed, unknown: "1"})
    allowed = set(str(refused.value).rpartition("allowed are ")[2].split(", ")) - {"enabled"}
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{section}` |")]
    shown = set(re.findall(r"`(\w+)`", row.split("|")[2]))
    secrets = set(re.findall(r"`(\w+)` ★", row))
    assert shown <= allowed
    assert {f"{name}_file" for name in secrets} == {name for name in allowed if name.endswith("_file")}
    assert allowed - shown - {f"{name}_file" for name in secrets} <= OLD


def test_numbers_and_metrics():
    assert f"上限 {config.TIMEOUT_SECONDS:.0f} 秒" in PAGE
    assert config.MAX_BODY == 2**20
    assert f"最多 {sender.MAX_ATTEMPTS} 次" in PAGE
    assert f"{DingTalk.burst} 条立即发送，之后每 {DingTalk.interval:.0f} 秒一条" in PAGE
    limits = f"钉钉请求体 {DingTalk.limit:,}，企业微信文本 {WeChat.limit:,}，飞书请求体 {Feishu.limit:,}"
    assert limits in PAGE
    assert f"最多 {remote.MAX_DELAY_SECONDS:.0f} 秒" in PAGE
    assert f"{app.MAX_BODIES // 2**20} MiB，每个" in PAGE
    assert f"{sender.MAX_WAITING_BYTES // 2**20} MiB，{sender.MAX_WAITING:,} 条" in PAGE
    assert f"{late.MAX_HELD_BYTES // 2**20} MiB，{late.MAX_HELD:,} 条" in PAGE
    assert f"{payload.MAX_ALERTS} 条告警、{payload.MAX_MESSAGE_BYTES // 1024} KiB" in PAGE
    registry = app.Bridge(config.load(None, {}), ROOT)._metrics.registry
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert set(re.findall(r"wxiai_bridge_\w+", PAGE)) == names
