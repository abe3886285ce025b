"""An audit tells what it has found, and never takes what it could not ask for a pass."""

import json
import subprocess
import sys

import pytest

from stack.audit._report import ACCEPTED, accepted
from stack.programs import OF_BINARY, PROGRAMS, ROOT

COMMON = "github.com/prometheus/common"


def audit(*arguments):
    command = [sys.executable, "-m", "stack.audit", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture
def pip_audit(tmp_path):
    """Stands for pip-audit, which needs advisories: it answers by service and lock, as the real one writes it."""

    def make(answers):
        path = tmp_path / "pip-audit"
        path.write_text(
            f"#!{sys.executable}\nimport json, pathlib, sys\n"
            "service = next(w.split('=')[1] for w in sys.argv if w.startswith('--vulnerability-service='))\n"
            f"packages = {answers!r}.get((service, pathlib.Path(sys.argv[-1]).name)) or {answers!r}.get(service)\n"
            "packages is None and sys.exit('ConnectionError')\n"
            "print(json.dumps({'dependencies': packages, 'fixes': []}))\n"
            "sys.exit(any(one.get('vulns') for one in packages))\n"
        )
        path.chmod(0o755)
        return path

    return make


GOOD = [{"name": "uv", "version": "1", "vulns": []}]
BAD = [
    {
        "name": "starlette",
        "version": "1.0.0",
        "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0.1"], "aliases": ["CVE-1"], "description": "x"}],
    }
]
# What pip-audit 2.10.1 says, with status 0 and "No known vulnerabilities found", where the index has no such page.
SKIPPED = [{"name": "uv", "skip_reason": "Dependency not found on PyPI and could not be audited: uv (1)"}]


def test_locks_without_a_finding_pass(pip_audit):
    done = audit("--only=python", "--pip-audit", pip_audit({"pypi": GOOD}))
    assert done.returncode == 0, done.stdout
    assert "no finding: newest.txt: 1 packages (pypi)" in done.stdout


def test_a_finding_in_one_lock_fails_and_says_where_it_is_fixed(pip_audit):
    done = audit("--only=python", "--pip-audit", pip_audit({"pypi": GOOD, ("pypi", "image.txt"): BAD}))
    assert done.returncode == 1
    assert "FINDING: starlette 1.0.0: PYSEC-1: image.txt; CVE-1; fixed in 1.0.1\n" in done.stdout


def test_where_the_index_has_no_advisories_the_other_service_is_asked(pip_audit):
    done = audit("--only=python", "--pip-audit", pip_audit({"pypi": SKIPPED, "osv": GOOD}))
    assert done.returncode == 0
    assert "newest.txt: 1 packages (osv)" in done.stdout


@pytest.mark.parametrize("answers", [{}, {"pypi": SKIPPED}], ids=["no connection", "skipped"])
def test_what_could_not_be_asked_is_said_and_is_no_pass(pip_audit, answers):
    done = audit("--only=python", "--pip-audit", pip_audit(answers))
    assert done.returncode == 3
    said = next(line for line in done.stdout.splitlines() if "of Python packages cannot be reached" in line)
    assert said.startswith("NOT AUDITED: ")
    assert " newest.txt" in said


def test_a_lock_of_which_one_package_is_unknown_is_no_pass(pip_audit):
    done = audit("--only=python", "--pip-audit", pip_audit({"pypi": GOOD, ("pypi", "newest.txt"): [*GOOD, *SKIPPED]}))
    assert done.returncode == 3
    assert "NOT AUDITED: newest.txt: pypi has not answered for all of it" in done.stdout


@pytest.fixture
def go_advisories(tmp_path):
    """A database of one advisory about a module that promtool is built of, in some of its packages."""

    def make(*packages):
        affected = {
            "package": {"name": COMMON, "ecosystem": "Go"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "99.0.0"}]}],
            "ecosystem_specific": {"imports": [{"path": path} for path in packages]},
        }
        advisory = {
            "id": "GO-2026-0001",
            "modified": "2026-01-01T00:00:00Z",
            "summary": "It is bad",
            "affected": [affected],
        }
        modules = [
            {"path": COMMON, "vulns": [{"id": "GO-2026-0001", "modified": advisory["modified"], "fixed": "99.0.0"}]}
        ]
        files = {"index/db": {"modified": advisory["modified"]}, "index/modules": modules, "ID/GO-2026-0001": advisory}
        for name, content in files.items():
            path = tmp_path / "advisories" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        return (tmp_path / "advisories").as_uri()

    return make


@pytest.mark.built
def test_a_finding_in_a_program_fails_and_one_in_a_package_that_it_has_nothing_of_does_not(go_advisories):
    done = audit("--only=go", "--go-db", go_advisories(f"{COMMON}/model"))
    assert done.returncode == 1, done.stderr
    version = PROGRAMS["prometheus"].version
    assert f"FINDING: promtool {version}: GO-2026-0001: It is bad; fixed in {COMMON} v99.0.0\n" in done.stdout
    done = audit("--only=go", "--go-db", go_advisories(f"{COMMON}/none"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no finding: promtool {version}\n" in done.stdout


@pytest.mark.built
def test_without_the_advisories_of_go_nothing_passes(tmp_path):
    done = audit("--only=go", "--go-db", tmp_path.as_uri())
    assert done.returncode == 3
    assert "jaeger" in next(line for line in done.stdout.splitlines() if line.startswith("NOT AUDITED"))


def test_what_is_accepted_is_of_the_versions_that_are_shipped_and_says_why():
    shipped = {f"{binary} {program.version}" for binary, program in OF_BINARY.items()}
    lines = [line for path in ROOT.glob("requirements/*.txt") for line in path.read_text().splitlines() if "==" in line]
    locked = {line.split(" ")[0].replace("==", " ") for line in lines}
    for (of, id_), why in accepted(ACCEPTED).items():
        assert of in shipped | locked, f"{id_} is accepted for {of}, which is not shipped: take it out"
        assert why


def test_every_package_of_every_lock_has_hashes():
    for path in sorted(ROOT.glob("requirements/*.txt")):
        blocks = path.read_text().replace("\\\n", " ").splitlines()
        assert blocks, path.name
        assert [one for one in blocks if "==" not in one or "--hash=sha256:" not in one] == [], path.name


def test_nothing_is_installed_but_by_hash():
    """Everything that installs, from the index: scripts, the image, Go's wheel."""
    files = [*ROOT.glob("scripts/*"), ROOT / "Dockerfile", *ROOT.glob("stack/*.py"), *ROOT.glob(".ci/*")]
    for path in (path for path in files if path.is_file()):
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if " install " in line and "pip" in line and "-r " in line:
                assert "--require-hashes" in line, f"{path.name}: {line.strip()}"
