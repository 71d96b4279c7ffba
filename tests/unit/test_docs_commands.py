"""The commands and options that the documents show are those that the programs know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup, TyperOption

from cni.agent.main import main as rail_agent
from install.installer.main import main as rail_install
from install.railctl import app
from tests.unit.test_docs import DOCUMENTS, ROOT

_FOREIGN = {
    "--flannel-backend", "--docker", "--service-cidr",  # K3s
    "--previous",  # kubectl logs
    "--bump-revision", "--listen-client-urls",  # etcdutl, etcd
    "--address",  # deploy/etcd/certificates.py
    "--masquerade-all", "--multus-conf-file",  # kube-proxy, Multus
}  # fmt: skip
"""Options of others that a sentence names without their program."""
_RAILCTL = typer.main.get_command(app)


def _unknown_to_railctl(words: Sequence[str]) -> str:
    """Return the first word that railctl does not know where it stands, or nothing."""
    command, rest = _RAILCTL, list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            options = {name: one for one in command.params for name in _names(one)}
            option = options.get(word.partition("=")[0])
            if option is None and word != "--help":
                return word
            if isinstance(option, TyperOption) and not option.is_flag and "=" not in word:
                del rest[:1]
        elif isinstance(command, TyperGroup) and re.fullmatch(r"[a-z][a-z-]+", word):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return ""


def _unknown_by_help(program: Callable[[Sequence[str]], int], words: Sequence[str]) -> str:
    """Return the first word that is not in what a program says of itself, or nothing."""
    verbs = set(re.findall(r"^ {4}([a-z]+)\b", _help(program), re.MULTILINE))
    verb = [word for word in words[:1] if verbs and re.fullmatch(r"[a-z]+", word)]
    if verb and verb[0] not in verbs:
        return verb[0]
    known = set(re.findall(r"--[a-z-]+", _help(program, *(verb or ["once"] * bool(verbs)))))
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    return next((option for option in options if option not in known), "")


@cache
def _help(program: Callable[[Sequence[str]], int], *words: str) -> str:
    with redirect_stdout(StringIO()) as said, suppress(SystemExit):
        program([*words, "--help"])
    return said.getvalue()


_UNKNOWN: dict[str, Callable[[Sequence[str]], str]] = {
    "railctl": _unknown_to_railctl,
    "rail-install": lambda words: _unknown_by_help(rail_install, words),
    "rail-agent": lambda words: _unknown_by_help(rail_agent, words),
}


def _blocks(document: Path) -> Iterator[str]:
    """Yield the lines of a document's blocks of code."""
    for block in document.read_text(encoding="utf-8").split("```")[1::2]:
        language, *lines = block.replace("\\\n", " ").splitlines()
        yield from lines if language else ()


def _spans(document: Path) -> Iterator[str]:
    """Yield what is code within a sentence."""
    for text in document.read_text(encoding="utf-8").split("```")[::2]:
        yield from re.findall(r"`([^`]+)`", text.replace("\n", " "))


def _calls(snippet: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each call of a program of ours, and the words behind it."""
    for call in re.split(r"\\?\||;|&&|\$\(|(?<=\S) +# ", snippet):
        words = [word.strip("\"'.") for word in re.split(r"[\s,\[\]()]+", call) if word]
        for position, word in enumerate(words):
            if (program := word.rpartition("/")[2]) in _UNKNOWN:
                yield program, words[position + 1 :]
                break


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_command_of_ours_exists(document: Path) -> None:
    sentences = [span for span in _spans(document) if re.match(r"(sudo )?rail[a-z-]+( |$)", span)]
    wrong = [
        f"{program} {' '.join(words)}: {unknown}"
        for snippet in [*_blocks(document), *sentences]
        for program, words in _calls(snippet)
        if (unknown := _UNKNOWN[program](words))
    ]
    assert not wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_option_that_stands_alone_is_one_of_ours(document: Path) -> None:
    named = {
        span.partition(" ")[0].partition("=")[0]
        for span in _spans(document)
        if re.match(r"--[a-z]", span)
    }
    assert not named - _options() - _FOREIGN


@cache
def _options() -> frozenset[str]:
    pages = [_help(rail_agent), *(_help(rail_install, verb) for verb in _VERBS)]
    ours = {option for page in pages for option in re.findall(r"--[a-z-]+", page)}
    return frozenset(ours | set(_of(_RAILCTL)))


_VERBS = ("run", "status", "rollback", "uninstall")


def _of(command: object) -> Iterator[str]:
    """Yield the options of a command of railctl, and of those below it."""
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            yield from _of(below)
    for option in getattr(command, "params", ()):
        yield from _names(option)


def _names(option: object) -> Iterator[str]:
    if isinstance(option, TyperOption):
        yield from (*option.opts, *option.secondary_opts)


@pytest.mark.parametrize(
    ("snippet", "unknown"),
    [
        ("# railctl ipam shew 10.60.4.210", ["shew"]),
        ("sudo railctl doctor --mtu a/b wifi --strange", ["--strange"]),
        ("railctl doctor --pod wifi; railctl peers --all", ["", "--all"]),
        ("/opt/cni/bin/rail-install uninstal # --force", ["uninstal"]),
        ("args: [rail-install, once, --root, /host, --health, x]", ["--health"]),
        ("rail-agent --node --bundle=/x | railctl preload --check -", ["", ""]),
    ],
)
def test_what_does_not_exist_is_seen(snippet: str, unknown: list[str]) -> None:
    assert [_UNKNOWN[program](words) for program, words in _calls(snippet)] == unknown
