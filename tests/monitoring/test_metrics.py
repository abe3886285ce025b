"""The bearer token of /metrics, and what is answered where nothing can be."""

import asyncio
import hmac
import threading

import pytest

from tests.asgi import get, request
from tests.monitoring.conftest import header
from tests.until import until
from wxiai_otel import SettingError, Settings, setup_telemetry
from wxiai_otel.monitoring import MetricsEndpoint
from wxiai_otel.prometheus import EmbeddedReader


async def scraped(app, authorization: bytes | None):
    headers = [] if authorization is None else [(b"authorization", authorization)]
    return await get(app, "/monitoring/metrics", headers=headers)


async def test_without_a_setting_none_is_asked_for(app):
    setup_telemetry(app)
    assert (await scraped(app, None)).status == 200
    assert (await scraped(app, b"Bearer anything")).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer s3cret!",
        b"Bearer s3cre",
        b"s3cret",
        b"Basic s3cret",
        b"Bearers3cret",
        b"Bearer S3CRET",
        b"Bearer \xff\xfe",
        "Bearer 密".encode(),
    ],
)
async def test_without_the_token_it_is_401_and_no_word_of_the_metrics(app, authorization):
    setup_telemetry(app, metrics_token="s3cret")
    answer = await scraped(app, authorization)
    assert (answer.status, answer.body) == (401, b"Unauthorized")
    assert header(answer, "www-authenticate") == "Bearer"


@pytest.mark.parametrize("authorization", [b"Bearer s3cret", b"bearer s3cret", b"BEARER  s3cret "])
async def test_with_the_token_it_answers(app, authorization):
    setup_telemetry(app, metrics_token="s3cret")
    assert (await scraped(app, authorization)).status == 200


async def test_a_token_may_be_of_any_characters(app):
    setup_telemetry(app, metrics_token="密码 ß")
    assert (await scraped(app, "Bearer 密码 ß".encode())).status == 200
    assert (await scraped(app, "Bearer 密码 s".encode())).status == 401


async def test_it_is_compared_in_constant_time(app, monkeypatch):
    compared, in_constant_time = [], hmac.compare_digest

    def compare(given, expected):
        compared.append((given, expected))
        return in_constant_time(given, expected)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    setup_telemetry(app, metrics_token="s3cret")
    await scraped(app, b"Bearer s3cre")
    assert compared == [(b"s3cre", b"s3cret")]


async def test_it_is_read_only(app):
    setup_telemetry(app)
    refused = await request(app, "DELETE", "/monitoring/metrics")
    assert (refused.status, header(refused, "allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", ["metrics_token", "task_secret", "redis_client", "state_redis", "ai_probes"])
def test_no_secret_is_in_the_settings_text(name):
    value = {"kling": "http://hunter2@x"} if name == "ai_probes" else "redis://:hunter2@x"
    assert "hunter2" not in repr(Settings(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics_token", 5_318_008),
        ("task_secret", b"5318008"),
        ("redis_client", "http://:5318008@x"),
        ("state_redis", "5318008"),
        ("ai_probes", {"kling": "ftp://5318008@x"}),
    ],
)
def test_no_secret_is_in_an_error(app, name, value):
    with pytest.raises(SettingError, match=f"setting {name}: argument {name} is a secret; allowed is") as raised:
        setup_telemetry(app, **{name: value})
    assert "5318008" not in str(raised.value)


@pytest.mark.faulty
async def test_where_the_workers_cannot_be_asked_it_says_so_and_raises_nothing(app, monkeypatch):
    def gone(self):
        raise FileNotFoundError("removed")

    setup_telemetry(app)
    monkeypatch.setattr(EmbeddedReader, "families", gone)

    answer = await get(app, "/monitoring/metrics")

    assert (answer.status, answer.raised) == (503, None)
    assert b"workers" in answer.body


async def test_those_who_ask_at_the_same_time_share_a_rendering_that_has_begun_after_they_asked():
    begun, go = [], threading.Semaphore(0)

    def render(accept):
        begun.append(accept)
        number = len(begun)
        assert go.acquire(timeout=30)
        return str(number).encode(), "text/plain"

    async def ask(times):
        asked = [asyncio.create_task(get(endpoint, "/")) for _ in range(times)]
        await asyncio.sleep(0.05)  # all of them have asked before the loop looks at its timers
        return asked

    endpoint = MetricsEndpoint(render, "")
    (first,) = await ask(1)
    await asyncio.to_thread(until, lambda: len(begun), equals=1)
    later = await ask(50)
    go.release()
    await asyncio.to_thread(until, lambda: len(begun), equals=2)
    (last,) = await ask(1)
    go.release(2)

    assert [(await one).body for one in (first, *later, last)] == [b"1", *50 * [b"2"], b"3"]


async def test_whoever_asks_for_something_else_meanwhile_gets_it(app):
    setup_telemetry(app)
    openmetrics = [(b"accept", b"application/openmetrics-text; version=1.0.0")]
    answers = await asyncio.gather(
        *(get(app, "/monitoring/metrics", headers=headers) for headers in 3 * [[], openmetrics])
    )

    assert [header(answer, "content-type").split(";")[0] for answer in answers] == 3 * [
        "text/plain",
        "application/openmetrics-text",
    ]
