"""Results as CI systems read them."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._check.junit import junit_xml
from ansible_collections.petal.hpc.plugins.module_utils._check.model import Result


def test_a_case_for_each_result() -> None:
    good = Result("a/1", True, 0, 0.5, "module load a/1", "", "c1")
    bad = Result("b/2", False, 1, 0.25, "module load b/2 && b", "no <b>\x1b[31m", "c2")
    root = ElementTree.fromstring(junit_xml([good.to_dict(), bad.to_dict()], "bio"))
    assert root.attrib == {"name": "bio", "tests": "2", "failures": "1", "errors": "0", "skipped": "0", "time": "0.75"}
    assert [case.get("classname") for case in root] == ["c1", "c2"]
    failure = root.find("testcase[@name='b/2']/failure")
    assert failure is not None
    assert failure.get("message") == "`module load b/2 && b` ended with status 1"
    assert failure.text == "no <b>\ufffd[31m"


def test_what_the_processor_cannot_run_was_left_out() -> None:
    unfit = Result("a/1", False, 1, 0.5, "module load a/1", "no", "c1", "x86_64_v4")
    root = ElementTree.fromstring(junit_xml([unfit.to_dict()], "bio"))
    assert (root.get("failures"), root.get("skipped")) == ("0", "1")
    skipped = root.find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "the node's processor cannot run what was built for x86_64_v4"
    assert root.find("testcase/failure") is None


@given(st.text(), st.text())
def test_any_text_makes_a_document(name: str, output: str) -> None:
    results = [Result(name, False, 1, 0.1, name, output).to_dict()]
    assert len(ElementTree.fromstring(junit_xml(results, "suite"))) == 1
