"""What the manifests ask our programs for is what these programs know."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cni import programs
from tests.unit.deploy.rendering import containers, pods, rendered
from tests.unit.deploy.test_manifests import APPLIED


def commands() -> Iterator[tuple[str, ...]]:
    for folder in APPLIED:
        for _, pod in pods(rendered(folder)):
            for container in containers(pod):
                if "/railcni:" in container["image"]:
                    yield tuple(container["args"])


def test_each_is_a_program_with_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    asked = dict.fromkeys(commands())
    assert {words[0] for words in asked} == {"rail-agent", "rail-install", "railctl"}
    for program, *words in asked:
        assert program in programs.COMMANDS, program
        # A command of its own comes first, then options with their values.
        command = words[:1] if not words[0].startswith("-") else []
        main = programs.load(programs.COMMANDS[program])
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert not ended.value.code
        known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
        assert {word for word in words if word.startswith("--")} <= known, (program, words)
