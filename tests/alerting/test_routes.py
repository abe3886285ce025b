"""alertmanager.yml: which labels reach which receiver, and what silences what. By the real Alertmanager."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from stack.binaries import find
from tests.alerting.internals import config
from tests.servers.alertmanager import CONFIG, Alertmanager, alert, alertmanager, quick
from tests.until import until

pytestmark = pytest.mark.built

TEXT = CONFIG.read_text()
ALL = TEXT.replace("#wechat-app# ", "").replace("#webhook# ", "")

ROUTES = [
    ({"alertname": "Watchdog", "severity": "none", "team": "platform", "symptom": "watchdog"}, "heartbeat"),
    ({"severity": "critical", "team": "platform"}, "chat,team-platform"),
    ({"severity": "warning", "team": "platform"}, "chat,team-platform"),
    ({"severity": "info", "team": "platform"}, "team-platform"),
    ({"severity": "critical", "team": "ai_services"}, "chat,team-ai-services"),
    ({"severity": "warning", "team": "ai_services"}, "chat,team-ai-services"),
    ({"severity": "critical", "team": "database"}, "chat,team-database"),
    ({"severity": "warning", "team": "cache"}, "chat,team-cache"),
    ({"severity": "info", "team": "product"}, "team-product"),
    ({"severity": "warning", "team": "product"}, "chat,team-product"),
    ({"severity": "critical", "team": "security"}, "chat,team-security"),
    ({"severity": "warning", "team": "security"}, "chat,team-security"),
    # An application's own, and whatever nobody has thought of: told to somebody.
    ({"severity": "critical", "source": "wxiai-platform"}, "chat,team-platform"),
    ({"severity": "critical", "team": "unheard"}, "chat,team-platform"),
    ({"severity": "page"}, "team-platform"),
    ({"alertname": "Any"}, "team-platform"),
]


def amtool(*arguments):
    return subprocess.run([find("amtool"), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", [TEXT, ALL], ids=["as it is", "with all receivers"])
def test_alertmanager_takes_it(tmp_path, text):
    (tmp_path / "alertmanager.yml").write_text(text)
    done = amtool("check-config", tmp_path / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("labels", "receivers"), ROUTES)
def test_who_is_told(labels, receivers):
    arguments = [f"{name}={value}" for name, value in labels.items()]
    done = amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receivers}", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("severity", "receivers"),
    [
        ("critical", "chat,wechat-app,webhook,team-platform"),
        ("warning", "chat,webhook,team-platform"),
        ("info", "team-platform"),
    ],
)
def test_who_is_told_with_the_receivers_that_have_to_be_switched_on(tmp_path, severity, receivers):
    config = tmp_path / "alertmanager.yml"
    config.write_text(ALL)
    done = amtool(
        "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receivers}", f"severity={severity}"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_stands_in_it_and_no_file_but_of_the_folder():
    assert not re.search(
        r"(?:password|secret|credentials|token|url)(?<!_file): (?!http://bridge:9095/)\S", ALL.split("\n\n", 2)[2]
    )
    files = re.findall(r"_file: (\S+)", ALL)
    assert files
    assert all(file.startswith("/etc/alertmanager/secrets/") for file in files)


def test_every_channel_of_the_bridge_has_its_entry_and_only_one():
    receivers = {one["name"]: one for one in yaml.safe_load(TEXT)["receivers"]}
    urls = [one["url"] for one in receivers["chat"]["webhook_configs"]]
    assert urls == [f"http://bridge:9095/notify/{n}" for n in ("dingtalk", "wechat", "feishu", "email", "webhook")]
    for one in receivers["chat"]["webhook_configs"]:
        assert one["max_alerts"] == 50
        assert one["http_config"]["authorization"]["credentials_file"] == "/etc/alertmanager/secrets/bridge_token"


def test_the_bridge_answers_before_alertmanager_gives_up():
    """Else what was delivered would be delivered again."""
    intervals = re.findall(r"group_interval: (\d+)([sm])", ALL)
    assert intervals
    assert min(int(number) * {"s": 1, "m": 60}[unit] for number, unit in intervals) >= config.TIMEOUT_SECONDS + 5


FAST = {"fast": "true"}
HTTP = {"symptom": "http_errors", "job": "api"}
AI = {"symptom": "ai_failures", "service": "flux"}
POOL = {"symptom": "database_pool", "job": "api", "instance": "i1", "pool": "main"}

SILENCED = [
    ("the fast companion has told it", alert("HighErrorRateFast", **HTTP, **FAST), alert("HighErrorRate", **HTTP)),
    ("budgets too", alert("HighErrorRateFast", **HTTP, **FAST), alert("AvailabilityBurnRate", **HTTP)),
    ("of a service", alert("AIProviderDown", **AI, **FAST), alert("AIServiceHighFailureRate", **AI)),
    ("of a pool", alert("PoolFast", **POOL, **FAST), alert("DatabaseConnectionPoolExhausted", **POOL)),
    ("critical before warning", alert("HighErrorRate", **HTTP), alert("AvailabilityBurnRate", "warning", **HTTP)),
    ("of the application's own", alert("A", symptom="A"), alert("A", "warning", symptom="A")),
    ("the rate before the budget", alert("HighErrorRate", **HTTP), alert("AvailabilityBurnRate", **HTTP)),
    (
        "the rate before the budget of tasks",
        alert("AIServiceHighFailureRate", **AI),
        alert("AITaskSuccessBurnRate", **AI),
    ),
    ("two that are fast", alert("AIServiceHighFailureRateFast", **AI, **FAST), alert("AIProviderDown", **AI, **FAST)),
    *(
        (
            f"application down: {symptom}",
            alert("ApplicationDown", job="api", symptom="application_down", **FAST),
            alert("Other", severity, job="api", symptom=symptom),
        )
        for symptom, severity in (
            ("metrics_absent", "warning"),
            ("http_errors", "critical"),
            ("health_check", "critical"),
            ("database_pool", "warning"),
        )
    ),
    *(
        (
            f"Collector down: {symptom}",
            alert("CollectorDown", symptom="collector_down", **FAST),
            alert("Other", "warning", job="api", symptom=symptom),
        )
        for symptom in ("application_down", "metrics_absent", "collector_loss")
    ),
    (
        "Collector down: budgets",
        alert("CollectorDown", symptom="collector_down", **FAST),
        alert("LatencyBurnRate", job="x"),
    ),
]

TOLD = [
    (
        "another symptom",
        alert("HighErrorRateFast", **HTTP, **FAST),
        alert("LatencyBurnRate", symptom="http_latency", job="api"),
    ),
    (
        "another job",
        alert("HighErrorRateFast", **HTTP, **FAST),
        alert("HighErrorRate", symptom="http_errors", job="web"),
    ),
    (
        "another service",
        alert("AIServiceHighFailureRateFast", **AI, **FAST),
        alert("AIServiceHighFailureRate", symptom="ai_failures", service="kling"),
    ),
    (
        "another pool",
        alert("PoolFast", **POOL, **FAST),
        alert("DatabaseConnectionPoolExhausted", **{**POOL, "pool": "other"}),
    ),
    (
        "another instance",
        alert("PoolFast", **POOL, **FAST),
        alert("DatabaseConnectionPoolExhausted", **{**POOL, "instance": "i2"}),
    ),
    ("a warning silences nothing critical", alert("A", "warning", **HTTP), alert("B", "critical", **HTTP)),
    (
        "an application down is no abuse",
        alert("ApplicationDown", job="api", **FAST),
        alert("APIAbuseDetected", symptom="api_abuse", job="api"),
    ),
    (
        "another application",
        alert("ApplicationDown", job="api", **FAST),
        alert("HighErrorRate", symptom="http_errors", job="web"),
    ),
    ("a Collector of several", alert("CollectorDown", **FAST), alert("HighErrorRate", **HTTP)),
    ("nobody told", alert("CollectorDown", **FAST), alert("NotificationsFailing", symptom="notifications")),
    (
        "not itself",
        alert("ApplicationDown", job="api", symptom="health_check", **FAST),
        alert("ApplicationDown", job="api", symptom="health_check", pool="x"),
    ),
]


@contextmanager
def telling(sink, folder, group_wait: str = "200ms") -> Iterator[Alertmanager]:
    """An Alertmanager whose chats are the sink."""
    text = re.sub(r"http://bridge:9095/notify/\w+", sink.url("webhook"), quick(TEXT, group_wait))
    text = text.replace("/etc/alertmanager/secrets/", f"{folder}/")
    (folder / "bridge_token").write_text("token")
    with alertmanager(folder, text) as running:
        yield running


def arrived(sink) -> set[str]:
    """The roles of the alerts that somebody was told of."""
    return {one["labels"]["role"] for body in sink.of("webhook") for one in body["alerts"]}


def post(running, role, one):
    running.post({**one, "labels": {**one["labels"], "role": role}})


@pytest.mark.parametrize(("source", "target"), [pytest.param(*case, id=name) for name, *case in SILENCED])
def test_one_fault_one_page(sink, tmp_path, source, target):
    def silenced_by():
        return [one["status"]["inhibitedBy"] for one in running.get("/api/v2/alerts?filter=role%3Dtarget")]

    with telling(sink, tmp_path) as running:
        post(running, "source", source)
        assert until(lambda: arrived(sink)) == {"source"}
        post(running, "target", target)
        assert until(lambda: any(silenced_by()))
        # As long as it takes to tell of another.
        post(running, "other", alert("Other", symptom="other"))
        assert until(lambda: "other" in arrived(sink))
        time.sleep(1)
        assert arrived(sink) == {"source", "other"}
        # When the source is over, the target is told.
        post(running, "source", {**source, "endsAt": alert("", ended=True)["endsAt"]})
        assert until(lambda: "target" in arrived(sink))


@pytest.mark.parametrize(("source", "target"), [pytest.param(*case, id=name) for name, *case in TOLD])
def test_another_fault_is_another_page(sink, tmp_path, source, target):
    with telling(sink, tmp_path) as running:
        post(running, "source", source)
        assert until(lambda: arrived(sink)) == {"source"}
        post(running, "target", target)
        assert until(lambda: "target" in arrived(sink))


POOL_FAST = alert("DatabaseConnectionPoolExhaustedFast", **POOL, **FAST)
DOWN = alert("ApplicationDown", job="api", symptom="application_down", **FAST)


def over(one):
    return {**one, "endsAt": alert("", ended=True)["endsAt"]}


def statuses(sink, role):
    """Firing and resolved, as somebody was told of it."""
    alerts = [one for body in sink.of("webhook") for one in body["alerts"]]
    # All five channels are told of each; what they are told of another alert may come in between.
    return [one["status"] for one in alerts if one["labels"]["role"] == role][::5]


@pytest.mark.parametrize("cause", [POOL_FAST, DOWN], ids=["pool", "application"])
def test_the_end_of_what_was_told_before_its_cause_is_told_and_its_next_beginning(sink, tmp_path, cause):
    target = alert("HighErrorRateFast", **HTTP, **FAST)
    with telling(sink, tmp_path) as running:
        post(running, "target", target)
        assert until(lambda: statuses(sink, "target")) == ["firing"]
        post(running, "cause", cause)
        assert until(lambda: statuses(sink, "cause")) == ["firing"]
        post(running, "target", over(target))
        assert until(lambda: len(statuses(sink, "target")) == 2)
        post(running, "target", target)
        assert until(lambda: len(statuses(sink, "target")) == 3)
        assert statuses(sink, "target") == ["firing", "resolved", "firing"]


def test_the_end_of_what_is_silenced_then_is_not_told(sink, tmp_path):
    """As docs/notifications.md says of Alertmanager; else that is to be changed."""
    target = alert("SlowResponseTime", "warning", symptom="http_latency", job="api")
    with telling(sink, tmp_path) as running:
        post(running, "target", target)
        assert until(lambda: statuses(sink, "target")) == ["firing"]
        post(running, "cause", DOWN)
        assert until(lambda: statuses(sink, "cause")) == ["firing"]
        post(running, "target", over(target))
        time.sleep(1.5)
        post(running, "cause", over(DOWN))
        assert until(lambda: len(statuses(sink, "cause")) == 2)
        post(running, "target", target)
        time.sleep(1.5)
        assert statuses(sink, "target") == ["firing"]


def test_alerts_of_one_fault_are_one_message(sink, tmp_path):
    # Alertmanager sends the first alerts of a group without the others if it receives them later than this.
    with telling(sink, tmp_path, group_wait="2s") as running:
        running.post(*(alert(f"A{n}", symptom="s", job="api", role="x", instance=str(n)) for n in range(60)))
        until(lambda: len(sink.of("webhook")) >= 5)
        time.sleep(1)
    # One for each of the five channels, which are all the sink here.
    bodies = sink.of("webhook")
    assert len(bodies) == 5
    assert {(len(body["alerts"]), body["truncatedAlerts"]) for body in bodies} == {(50, 10)}
