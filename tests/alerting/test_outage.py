"""A channel is away for a while, in every way that a robot can be: nothing is lost, and nobody else waits for it.

The short form of ``scripts/detection --outage``: the real Alertmanager with its configuration, and the real bridge.
"""

import json
import re
import time

import pytest

from tests.alerting import internals
from tests.alerting.conftest import FASTER
from tests.alerting.test_bridge import environ
from tests.servers.alertmanager import CONFIG, alert, alertmanager, quick
from tests.servers.bridge import BRIDGE_TOKEN, bridge_here
from tests.until import until

pytestmark = pytest.mark.built

AWAY = "dingtalk"
OTHERS = ("wechat", "feishu", "webhook")
WAYS = ("429", "500", "hang", "429:1", "reset", "errcode:130101:send too fast")
WAY_SECONDS = 2.5
SENT = 3  # during as many of these ways
# As much faster than what is shipped as the robots are. Alertmanager tries for 10 s where group_interval is shorter;
# late is that and one answer.
TIMEOUT, INTERVAL = internals.config.TIMEOUT_SECONDS / FASTER, 10
LATE = INTERVAL + TIMEOUT + 1
TOLD_SECONDS = 10.0


@pytest.mark.usefixtures("faster")
def test_all_that_was_sent_meanwhile_arrives_once_it_is_back(sink, tmp_path):
    def posted(name, *, ended=False):
        running.post(alert(name, ended=ended, symptom=name, job="api"))

    def told(channel, name):
        """How often its beginning was; its end is another message."""
        texts = [json.dumps(body, ensure_ascii=False) for body in sink.of(channel)]
        return sum(name in text and not re.search('已恢复|"resolved"', text) for text in texts)

    timeout = {"WXIAI_BRIDGE_TIMEOUT": str(TIMEOUT)}
    with bridge_here({**environ(sink, AWAY, *OTHERS), **timeout}, late=LATE) as server:
        (tmp_path / "bridge_token").write_text(BRIDGE_TOKEN)
        text = quick(CONFIG.read_text()).replace("http://bridge:9095", server.url)
        text = text.replace("group_interval: 500ms", f"group_interval: {INTERVAL}s")
        text = text.replace("/etc/alertmanager/secrets/", f"{tmp_path}/")
        with alertmanager(tmp_path, text) as running:
            lasting, passing = [f"Lasting{n}" for n in range(SENT)], [f"Passing{n}" for n in range(SENT)]
            for number, way in enumerate(WAYS):
                sink.forever[AWAY] = way
                began = time.monotonic()
                for name in (*lasting[number : number + 1], *passing[number : number + 1]):
                    posted(name)
                    for channel in OTHERS:
                        assert until(lambda channel=channel, name=name: told(channel, name), 30)
                    assert time.monotonic() - began < TOLD_SECONDS, way
                # Told everywhere else, and over before the channel is back.
                for name in passing[number : number + 1]:
                    posted(name, ended=True)
                time.sleep(max(0.0, began + WAY_SECONDS - time.monotonic()))
            assert not sink.of(AWAY)

            del sink.forever[AWAY]
            assert until(lambda: all(told(AWAY, name) for name in (*lasting, *passing)), 60)
            # As long as it would take to tell it twice.
            time.sleep(LATE)
            for channel in (AWAY, *OTHERS):
                assert [told(channel, name) for name in (*lasting, *passing)] == [1] * 2 * SENT, channel


def test_the_bridge_tells_nothing_late_that_alertmanager_still_tries():
    """Its backoff is 60 s at the most, give or take half of it; it begins anew with each group_interval."""
    longest_seconds, give_or_take = 60, 0.5
    assert longest_seconds * (1 + give_or_take) + internals.config.TIMEOUT_SECONDS < internals.late.LATE_SECONDS
