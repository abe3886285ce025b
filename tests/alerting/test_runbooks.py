"""The links in the alerts lead to pages."""

import pytest

from tests.alerting.internals import data_folder
from tests.servers.bridge import bridge_here


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (folder / "HighErrorRate.md").write_text(
        "# HighErrorRate 错误率过高\n\n## 诊断 Diagnosis\n\n```promql\nrate(a[5m]) < 1\n```\n"
        "\n| a | b |\n|---|---|\n| 1 | 2 |\n"
        "\n<script>alert(1)</script> [x](javascript:alert(1))\n"
    )
    (folder / "not-an-alert.md").write_text("secret")
    with bridge_here({}, folder) as bridge:
        yield bridge


def test_a_page_and_the_index(served):
    status, page, headers = served.ask("GET", "/runbooks/HighErrorRate", token=None)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert '<code class="language-promql">rate(a[5m]) &lt; 1' in page
    assert "<td>1</td>" in page
    index = served.ask("GET", "/runbooks", token=None)[1]
    assert '<a href="/runbooks/HighErrorRate">HighErrorRate</a> 错误率过高' in index
    assert "not-an-alert" not in index


def test_nothing_in_it_is_run(served):
    _, page, headers = served.ask("GET", "/runbooks/HighErrorRate")
    assert "<script>" not in page
    assert 'href="javascript' not in page
    assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "name",
    [
        "None",
        "not-an-alert",
        "../secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "HighErrorRate.md",
        "a" * 200,
        "a%00",
        "%ff",
    ],
)
def test_no_other_file(served, name):
    status, page, _ = served.ask("GET", f"/runbooks/{name}")
    assert status == 404
    assert "secret" not in page


def test_they_come_with_the_source_tree():
    assert (data_folder("alerts") / "alertmanager.yml").is_file()
