"""The check of `scripts/lint` that every regular expression of the package takes linear time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))
from redos import growth  # noqa: E402 - a script, not a module of a package

sys.path.remove(str(SCRIPTS))

SLOW = {
    "blanks cross lines": (r"(?m)^(\s*DETAIL:).*$", 0),
    "the same with a flag": (r"^\s*#", re.MULTILINE),
    "a loop before what is missing": (r"\w+@", 0),
    "a loop to the end": (r"\s+$", 0),
    "a loop behind a beginning that repeats": (r"eyJ[A-Za-z0-9_-]*\.x", 0),
    "a tag": (r"<[^>]*>", 0),
    "an option behind a match": (r"a(?:a*c)?", 0),
    "an alternative that is tried first": (r"a*b|.", 0),
    "two loops side by side": (r"\A[ \t]*[ !a]*;", 0),
    "two loops around what both have": (r"\A[a-z0-9]*a[a-z]*@", 0),
    "a loop in a loop": (r"\A(a+)+$", 0),
    "an empty loop in a loop": (r"\A(a*)*b", 0),
    "alternatives that begin alike": (r"\A(x|xx)+y", 0),
    "without the case": (r"(?i)PASS[a-z]*:", 0),
    "a possessive loop": (r"a*+b", 0),
    "an atomic group": (r"(?>a+)b", 0),
    "in an atomic group": (r"\A(?>a*a*b)", 0),
    "a bound of thousands": (r"a{1,5000}b", 0),
    "bytes": (rb"[^\x00]+\x00", 0),
}
LINEAR = {
    "blanks stay in the line": (r"(?m)^([^\S\n]*DETAIL:).*$", 0),
    "a loop that cannot fail": (r"[^/]+", 0),
    "a loop to the end of any text": (r"(?s)\[parameters: .*?(?=\n\(Background|\Z)", 0),
    "a beginning that the loop does not have": (r"\?[^?=]*=", 0),
    "a beginning of a word": (r"\ba+b", 0),
    "a bound": (r"//[^/\s@]{1,256}@", 0),
    "quotes": (r"'(?:[^']|'')*(?:'|\Z)", 0),
    "two loops, one of them possessive": (r"\A[ \t]*+[ !a]*+;", 0),
    "possessive loops in a loop": (r"(?:\w++|\s++)++", 0),
    "a possessive loop of alternatives that are alike": (r"(?:\w|[a-z])++", 0),
    "the beginning of the text": (r"\A\s*x", 0),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_pattern_above_linear_time_is_found_with_a_word_that_proves_it(kind):
    pattern, flags = SLOW[kind]
    assert growth(pattern, flags)


@pytest.mark.parametrize("kind", LINEAR)
def test_a_pattern_in_linear_time_passes(kind):
    pattern, flags = LINEAR[kind]
    assert growth(pattern, flags) is None


@pytest.mark.parametrize(("method", "found"), [("search", True), ("match", False), ("fullmatch", False)])
def test_a_pattern_that_is_only_tried_at_the_beginning_is_tried_once(method, found):
    assert bool(growth("[a-z]+[0-9]+", 0, method)) is found


def test_a_match_of_the_whole_text_may_fail_at_its_end():
    assert growth(r"[ \t]*=[ \t]*[ !a]*", 0, "fullmatch")
    assert growth(r"[ \t]*=[ \t]*+[ !a]*", 0, "fullmatch") is None


MODULE = r"""
import re
PART = r"\w+"
AT_IMPORT = re.compile(PART + "@")
MADE = [re.compile(pattern, re.M) for pattern in (r"fine", r"^\s*x")]
FULL = re.compile("[a-z]+[0-9]+")
def use(text, name):
    local = rf"(?m)^{name}\s*y"
    FULL.fullmatch(text)
    return re.sub(rf"\d+{name}", "", text), re.search(local, text), re.split(r"[,\s]", text)
"""


def check(folder):
    command = [sys.executable, str(SCRIPTS / "patterns.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_the_patterns_of_a_package_are_found_wherever_they_are(tmp_path):
    package = tmp_path / "hay"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_module.py").write_text(MODULE)
    done = check(package)
    assert done.returncode == 1, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line.partition(" takes")[0] for line in lines] == [
        r"hay/_module.py:4: '\\w+@'",
        r"hay/_module.py:5: '^\\s*x'",
        r"hay/_module.py:10: '\\d+word'",
    ]
    assert last == "7 patterns, 3 of which take more than linear time"


def test_a_pattern_known_only_at_call_time_is_an_error(tmp_path):
    package = tmp_path / "hay"
    package.mkdir()
    (package / "__init__.py").write_text("import re\ndef use(pattern, text): return re.search(pattern, text)\n")
    done = check(package)
    assert done.returncode == 1
    assert "hay/__init__.py:2" in done.stderr
