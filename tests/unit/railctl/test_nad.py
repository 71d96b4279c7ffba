"""`railctl nad`: what a person reads, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cni.host.paths import CONFIG_DIR
from install.railctl import app

ROOT = Path(__file__).parents[3]
NADS = ROOT / "tests/unit/nad"
EXAMPLE = str(ROOT / "deploy/node.toml")


@pytest.fixture(autouse=True)
def no_node_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node that has no node file yet; return where it would be."""
    monkeypatch.setenv(CONFIG_DIR, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    return tmp_path / "node.toml"


def nad(*arguments: str, expect: int = 0, stdin: str = "") -> Result:
    result = CliRunner().invoke(app, ["nad", *arguments], input=stdin)
    assert result.exit_code == expect, result.output
    return result


def rendered(*options: str) -> str:
    return nad("render", "--node-file", EXAMPLE, *options).stdout


def test_the_first_nads_of_deployment_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NADS)
    text = nad("lint", "given/be.yaml", "--node-file", EXAMPLE, expect=1).stdout
    assert text == (NADS / "given/be.said").read_text("utf-8")


def test_the_document_shows_what_is_said() -> None:
    document = (ROOT / "docs/jobs.md").read_text("utf-8")
    shown = document.split("# railctl nad lint be.yaml\n")[1].split("```")[0].rstrip()
    said = (NADS / "given/be.said").read_text("utf-8").replace("given/be.yaml", "be.yaml")
    assert said.startswith(shown)


def test_what_is_rendered_is_right(tmp_path: Path) -> None:
    file = tmp_path / "nads.yaml"
    file.write_text(rendered("--namespace", "ai-train"), "utf-8")
    result = nad("lint", str(file), "--node-file", EXAMPLE, "--strict")
    assert result.stdout == "nothing is wrong with the NADs of 1 file\n"
    assert (
        json.loads(nad("lint", str(file), "--output", "json", "--node-file", EXAMPLE).stdout) == []
    )


def test_a_folder_gets_a_file_for_each_nad(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    listed = rendered("--namespace", "ai-train", "--folder", str(folder)).splitlines()
    files = sorted(folder.iterdir())
    assert sorted(listed) == [str(file) for file in files]
    for file in files:
        assert file.read_text("utf-8") == (NADS / "golden" / file.name).read_text("utf-8")
        assert file.stat().st_mode & 0o777 == 0o644


def test_the_nodes_own_file_is_used(no_node_file: Path) -> None:
    assert "there is no" in nad("render", expect=1).stderr
    no_node_file.write_bytes(Path(EXAMPLE).read_bytes())
    assert nad("render").stdout == rendered()


def test_what_a_person_may_wish() -> None:
    text = rendered(
        "--fabric", "backend", "--resource", "roce-a=rdma/x",
        "--mtu", "4200", "--cni-version", "0.3.1",
    )  # fmt: skip
    assert (text.count("rdma/x"), text.count("4200"), text.count("0.3.1")) == (1, 2, 2)
    assert "namespace" not in text
    assert "sto-a" not in text


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--fabric", "none"),
        ("--namespace", "a_b"),
        ("--resource", "roce-c=rdma/x"),
        ("--resource", "roce-a=x"),
        ("--cni-version", "2.0.0"),
        ("--node-file", "/nowhere/node.toml"),
    ],
)
def test_wishes_that_are_none(option: str, value: str) -> None:
    result = nad("render", "--node-file", EXAMPLE, option, value, expect=2)
    assert value.partition("=")[0] in result.stderr


def test_a_node_file_with_an_error_comes_first(no_node_file: Path) -> None:
    no_node_file.write_text("[fabrics.a.rails.b]\nsubnet = 5\n", "utf-8")
    for arguments in (["render"], ["lint", EXAMPLE]):
        assert f"{no_node_file}:2: " in nad(*arguments, expect=1).stderr
    no_node_file.write_text("", "utf-8")
    assert "declares no rail" in nad("render", expect=1).stderr


def test_warnings_count_when_they_are_to(tmp_path: Path) -> None:
    text = rendered().replace('"mtu": 9000', '"mtu": 1500')
    for options, code in (([], 0), (["--strict"], 1), (["--strict", "--least-mtu", "1500"], 0)):
        nad("lint", "-", "--node-file", EXAMPLE, *options, stdin=text, expect=code)
    row = json.loads(nad("lint", "-", "--output", "json", stdin=text).stdout)[0]
    assert row.keys() == {
        "severity", "check", "file", "line", "nad", "what", "why", "mend", "right",
    }  # fmt: skip
    assert (row["file"], row["line"], row["nad"], row["severity"]) == (
        "stdin", 14, "roce-a", "warning",
    )  # fmt: skip
    file = tmp_path / "bad"
    file.write_bytes(b"\xff")
    assert "is not UTF-8" in nad("lint", str(file), expect=2).stderr
    assert "cannot be read" in nad("lint", str(tmp_path / "none"), expect=2).stderr


def test_other_commands_do_not_load_yaml() -> None:
    code = (
        "import sys; from install import railctl\n"
        "try: railctl.main(['version'])\n"
        "finally: print('yaml' in sys.modules, 'install.nad.lint' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "False False"
