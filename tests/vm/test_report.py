"""What the guest found is told in a few lines."""

from __future__ import annotations

from pathlib import Path

from tests.vm import commands
from tests.vm.report import summary

JUNIT = """\
<testsuites><testsuite>
  <testcase classname="suite.test_a" name="test_good" time="1.5"/>
  <testcase classname="suite.test_a" name="test_bad" time="2.4">
    <failure message="AssertionError: assert 1 == 2&#10;  +1">the traceback</failure>
    <error message="failed on teardown"/>
  </testcase>
  <testcase classname="suite.test_b" name="test_later"><skipped message="not yet"/></testcase>
</testsuite></testsuites>
"""


def test_each_failure_is_told_with_its_message(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)
    assert list(summary([file])) == [
        "failed: suite.test_a::test_bad: AssertionError: assert 1 == 2 +1",
        "failed: suite.test_a::test_bad: failed on teardown",
        "skipped: suite.test_b::test_later: not yet",
        "1 failed, 1 skipped, 1 passed, 4 s in tests",
    ]


def test_that_no_test_ended_is_told(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text("<testsuites><testsuite/></testsuites>")
    assert list(summary([file])) == ["no test ended, 0 s in tests"]


def test_all_of_the_suite_runs_unless_some_is_named() -> None:
    assert commands.tests(["-k", "rdma"]) == ["tests/vm/suite", "-k", "rdma"]
    one = ["tests/vm/suite/test_machine.py::test_x", "-x"]
    assert commands.tests(one) == one


def test_arguments_reach_pytest_as_they_are() -> None:
    command = commands.pytest(["-k", "a or 'b'"], Path("/a b"), columns=80, color=False)
    assert """-k 'a or '"'"'b'"'"''""" in command
    assert "'PYTHONPATH=/a b'" in command
