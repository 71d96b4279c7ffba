"""How rows are written: for a terminal, and for a pipe."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from install.railctl.output import Output, plain, say, write

if TYPE_CHECKING:
    import pytest

ROWS = [{"node": "gpu-1", "pod": "", "note": "x" * 100}, {"node": "g", "pod": "a/b", "note": ""}]


def be_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")


def test_a_pipe_gets_each_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("nodes", ROWS, Output.TEXT, empty="none")
    assert capsys.readouterr().out.splitlines() == [
        "nodes", "node   pod  note", "gpu-1       " + "x" * 100, "g      a/b",
    ]  # fmt: skip


def test_a_terminal_gets_them_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be_a_terminal(monkeypatch)
    write("nodes", ROWS, Output.TEXT, empty="none")
    out = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 40
    assert out.count("x") == 100


def test_a_terminal_gets_many_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be_a_terminal(monkeypatch)
    write("nodes", ROWS * 300, Output.TEXT, empty="none")
    assert len(capsys.readouterr().out.splitlines()) == 602


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    write("nodes", [], Output.TEXT, empty="none")
    write("nodes", [], Output.JSON, empty="none")
    assert capsys.readouterr().out.splitlines() == ["none", "[]"]


HOSTILE = "gpu-1\x1b[2J\x07\u202e[/red]\udcff\x9b31m"


def test_nothing_that_a_terminal_obeys_gets_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = r"gpu-1\x1b[2J\x07\u202e[/red]\udcff\x9b31m"
    assert plain(HOSTILE) == harmless
    say(HOSTILE)
    say(HOSTILE, err=True)
    assert capsys.readouterr() == (f"{harmless}\n", f"{harmless}\n")
    write("nodes", [{"node": HOSTILE}], Output.TEXT, empty="none")
    assert capsys.readouterr().out.splitlines() == ["nodes", "node", harmless]
    be_a_terminal(monkeypatch)
    write("nodes", [{"node": HOSTILE}], Output.TEXT, empty="none")
    out = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert "".join(out.split()) == f"nodesnode{harmless}"


def test_lines_and_letters_of_a_person_stay() -> None:
    assert plain("a – b × c\n→ d") == "a – b × c\n→ d"
