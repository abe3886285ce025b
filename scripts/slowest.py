"""Print the slowest tests of all environments: slowest.py <folder of JUnit reports>."""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

COUNT = 20


def durations(report: Path) -> Iterator[tuple[float, str, str]]:
    """Yield seconds, environment and name of each test, set-up and teardown included."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has written it
        yield float(case.get("time", 0)), report.stem, f"{case.get('classname')}::{case.get('name')}"


slowest = sorted((each for report in Path(sys.argv[1]).glob("*.xml") for each in durations(report)), reverse=True)
print(f"\n== the {COUNT} slowest tests")
for seconds, environment, name in slowest[:COUNT]:
    print(f"{seconds:7.1f} s  {environment}  {name}")
