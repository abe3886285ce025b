"""``scripts/dashboards`` as its user runs it, looked at in a real browser."""

import asyncio
import http.client
import re
import signal
import socket
import struct
import subprocess
import time
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from dashboards.files import UIDS, load, panels
from dashboards.preview.browser import browser
from dashboards.preview.pictures import show
from examples.demo.traffic import drive
from stack.programs import ROOT
from tests.servers.demo import ended, number, submitted
from tests.servers.ports import free_port
from tests.until import until

pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

COMMAND = [str(ROOT / "scripts" / "dashboards")]
# What is drawn in a panel's body, by its kind.
DRAWN = {
    "stat": ".stat b",
    "timeseries": ".scatterlayer .js-line, .scatterlayer .point, .barlayer path",
    "piechart": ".pielayer path.surface",
    "bargauge": ".bars .bar i",
    "heatmap": ".heatmaplayer image",
    "table": "tbody tr",
}


def run(*options: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)


@contextmanager
def served(prometheus: str):
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--prometheus", prometheus, "--jaeger", "http://jaeger.invalid"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


@pytest.fixture(scope="module")
def preview(pipeline, traffic):
    # A page shows the last minutes, and the traffic may be over since long.
    if time.time() - traffic.at > 300:
        asyncio.run(drive(traffic.url, 3, lambda _: None))
        until(lambda: submitted(pipeline, traffic.job) == ended(pipeline, traffic.job))
    with served(pipeline.url("prometheus")) as url:
        yield url


@pytest.fixture(scope="module")
def page():
    with browser() as page:
        yield page


def get(url: str, path: str, host: str | None = None) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.request("GET", path, headers={"host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_the_json_is_what_the_source_says():
    done = run("--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_of_a_dashboard_is_drawn(preview, page, uid):
    # Looking back over hours, the first minute of data is within one step.
    show(page, preview, uid, 1600, "seconds=900")
    assert page.ask("preview.failures") == []
    may_be_empty = {"触发中的告警一览"}
    assert set(page.ask("preview.empty")) <= may_be_empty
    for panel in panels(load(uid)):
        place = f"document.querySelector('#panel-{panel['id']}')"
        assert page.ask(f"{place}.querySelector('h3').textContent") == panel["title"]
        drawn = page.ask(f"{place}.querySelectorAll('{DRAWN[panel['type']]}').length")
        assert drawn > 0 or panel["title"] in may_be_empty, panel["title"]
    assert page.ask("[...document.querySelectorAll('section')].length") == len(panels(load(uid)))


def test_a_number_is_that_of_prometheus_with_its_unit_and_colour(preview, page, pipeline, traffic):
    show(page, preview, "wxiai-business", 1600, f"var-job={traffic.job}")
    shown = page.ask("document.querySelector('[data-title=\"实时用户活跃\"] .stat b').textContent")
    assert float(shown) == number(pipeline, f'max(active_users_current{{job="{traffic.job}"}})') > 0
    found = "document.querySelector('[data-title=\"AI任务成功率\"] .stat b')"
    rate, colour = page.ask(f"(stat => [stat.textContent, stat.style.color])({found})")
    assert re.fullmatch(r"\d+\.\d%", rate)
    level = float(rate.removesuffix("%")) / 100
    # What is shown as 95.0 % may be a little less, and has the colour of that.
    assert colour in {level_colour(level - 0.0005), level_colour(level + 0.0005)}


def level_colour(level: float) -> str:
    return "rgb(115, 191, 105)" if level >= 0.95 else "rgb(255, 152, 48)" if level >= 0.8 else "rgb(242, 73, 92)"


def test_what_is_chosen_is_what_is_shown(preview, page):
    show(page, preview, "wxiai-http", 1600, "var-job=nobody")
    assert page.ask("preview.failures") == []
    assert set(page.ask("preview.empty")) == {panel["title"] for panel in panels(load("wxiai-http"))}
    assert page.ask("document.querySelector('[data-title=\"错误率\"] .nothing').textContent") == "无请求"


def test_exemplars_are_dots_that_lead_to_their_traces(preview, page):
    show(page, preview, "wxiai-http", 1600, "seconds=900")
    body = "document.querySelector('[data-title=\"响应时间\"] .body')"
    blue = "getComputedStyle(point).fill === 'rgb(87, 148, 242)'"
    dots = page.ask(f"[...{body}.querySelectorAll('.scatterlayer path.point')].filter(point => {blue}).length")
    traces = page.ask(f"{body}.data.flatMap(series => series.customdata ?? [])")
    assert len(traces) == dots > 0
    page.ask(
        f"open = url => {{ opened = url }}; {body}.emit('plotly_click', {{points: [{{customdata: '{traces[0]}'}}]}})"
    )
    assert page.ask("opened") == f"http://jaeger.invalid/trace/{traces[0]}"


@pytest.mark.parametrize("uid", UIDS)
def test_it_can_be_read_on_a_telephone(preview, page, uid):
    show(page, preview, uid, 390, "seconds=900")
    assert page.ask("document.documentElement.scrollWidth") <= 390
    # Numbers stand in pairs, all else has the width.
    widths = page.ask("[...document.querySelectorAll('section')].map(one => [one.dataset.kind, one.clientWidth])")
    assert min(width for kind, width in widths if kind != "stat") > 350
    assert min(width for kind, width in widths if kind == "stat") > 170
    # No legend takes a course's place, and no column is beyond the edge.
    heights = page.ask(
        "[...document.querySelectorAll('[data-kind=timeseries] .body')].filter(one => one._fullLayout)"
        ".map(one => one._fullLayout._size.h)"
    )
    assert not heights or min(heights) > 150
    cut = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
    assert page.ask(cut) == 0


def test_on_a_wall_all_is_larger(preview, page):
    size = (
        "['h3', '.bars .name', '.legendtext', '.stat b']"
        ".map(one => document.querySelector(one).getBoundingClientRect().height)"
    )
    show(page, preview, "wxiai-business", 1600, "seconds=900")
    desk = page.ask(size)
    show(page, preview, "wxiai-business", 3840, "seconds=900")
    assert page.ask("document.documentElement.scrollWidth") <= 3840
    assert all(wall > 1.4 * usual for wall, usual in zip(page.ask(size), desk, strict=True))


def test_pictures_of_all_dashboards(pipeline, traffic, tmp_path):
    done = run("--png", str(tmp_path), "--prometheus", pipeline.url("prometheus"))
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.iterdir()} == set(UIDS)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", data[16:24])
        assert width > 1000
        assert height > 500


class TestWhatIsNotThere:
    @pytest.mark.parametrize("path", ["/d/nothing", "/static/..%2Fserver.py", "/api/panels/wxiai-http/999", "/x"])
    def test_is_not_found(self, preview, path):
        assert get(preview, path)[0] == 404

    @pytest.mark.parametrize("seconds", ["0", "-1", "999999999", "x"])
    def test_a_time_that_is_none_is_refused(self, preview, seconds):
        assert get(preview, f"/api/annotations/wxiai-http?seconds={seconds}")[0] == 400

    def test_a_page_of_another_site_is_refused(self, preview):
        assert get(preview, "/api/dashboards", "evil.example")[0] == 403
        assert get(preview, "/api/dashboards")[0] == 200


class TestWhereItCannotRun:
    def test_no_prometheus_is_one_clear_line(self):
        url = f"http://127.0.0.1:{free_port()}"
        done = run("--port", "0", "--prometheus", url)
        assert done.returncode == 1
        assert done.stderr.startswith(f"dashboards: Prometheus at {url} does not answer")
        assert done.stderr.count("\n") == 1

    def test_a_port_in_use_is_one_clear_line(self, pipeline):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            done = run("--port", port, "--prometheus", pipeline.url("prometheus"))
        assert done.returncode == 1
        assert done.stderr == f"dashboards: port {port}: Address already in use; choose another with --port\n"

    def test_what_is_no_port_is_named(self):
        done = run("--port", "99999")
        assert done.returncode == 2
        assert "'99999' is not a port from 0 to 65535" in done.stderr
