"""Puts into pytest's JUnit file the tests that were running when the run was ended: pytest leaves a case without a name
for each of them, or none at all. Such a test counts there as an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from tidings.testing.plugin.results import Result

MESSAGE = "interrupted: the run was ended while this test ran"


def name_interrupted(file: Path, tests: Sequence[Result]) -> None:
    """Rewrite the file with these tests in it. A file that pytest has not written, or not to its end, is left alone."""
    try:
        tree = ElementTree.parse(file)  # noqa: S314 - pytest has written it
    except (OSError, ElementTree.ParseError):
        return
    suite = next(tree.getroot().iter("testsuite"), None)
    if suite is None or not tests:
        return
    for case in [case for case in suite.iter("testcase") if "name" not in case.attrib]:
        suite.remove(case)
    suite.extend(case_of(test) for test in tests)
    for count in ("tests", "errors"):
        suite.set(count, str(int(suite.get(count, "0")) + len(tests)))
    tree.write(file, encoding="utf-8", xml_declaration=True)


def case_of(test: Result) -> ElementTree.Element:
    """Named as pytest names them: the file and the classes with dots, then the function with its parameters."""
    address, bracket, parameters = test.test.partition("[")
    path, *classes, name = address.split("::")
    place = ".".join([path.removesuffix(".py").replace("/", "."), *classes])
    case = ElementTree.Element(
        "testcase", classname=place, name=name + bracket + parameters, time=f"{test.seconds:.3f}"
    )
    ElementTree.SubElement(case, "error", message=MESSAGE)
    return case
