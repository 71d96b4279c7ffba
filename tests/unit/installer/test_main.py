"""What the command line is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from install.installer.main import main, parse


def test_a_variable_that_is_empty_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["status", "--root", ""])
    assert "'' is no folder" in capsys.readouterr().err


def test_a_link_to_a_configuration_is_told_to_the_unit_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "config").symlink_to("first")
    options = parse(["run", "--host", "--config", str(tmp_path / "config")])
    assert options.config == tmp_path / "config"
