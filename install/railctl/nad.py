"""`railctl nad`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cni.host.paths import Paths, write_atomically
from install.doctor.findings import Severity, worst
from install.railctl.output import Output, plain, say

if TYPE_CHECKING:
    from install.nad.lint import Source
    from install.nad.remarks import Found
    from install.nad.render import Rendered
    from ipam.node_file import NodeFile

nad = typer.Typer(no_args_is_help=True)

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue", "ok": "green"}
_INDENT = "  "
_STDIN = "-"
_READABLE = 0o644
NodeFileOption = Annotated[
    Path | None, typer.Option(help="The node file; else that of this node, if there is one.")
]


@nad.callback()
def _group() -> None:
    """Write the NetworkAttachmentDefinitions of the rails, and say what is wrong with others."""


@nad.command()
def lint(
    files: Annotated[list[str], typer.Argument(help="YAML or JSON; - for stdin.")],
    node_file: NodeFileOption = None,
    least_mtu: Annotated[
        int, typer.Option(min=1280, max=65535, help="Bytes that each rail must carry.")
    ] = 9000,
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict", help="Let warnings count as well.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Say what is wrong with NADs, where, why it matters, and what they should be.

    It ends with exit code 1 when there is an error.
    """
    from install.nad.lint import lint as judged
    from install.nad.remarks import Measure

    measure = Measure(least_mtu, _declared(node_file))
    found = judged([_source(name) for name in files], measure)
    if output is Output.JSON:
        say(json.dumps([_row(one) for one in found]))
    else:
        _write(found, len(files))
    tolerated = Severity.INFO if strict else Severity.WARNING
    if worst(one.finding for one in found) > tolerated:
        raise typer.Exit(1)


@nad.command()
def render(  # noqa: PLR0913 - a command's options
    *,
    node_file: NodeFileOption = None,
    fabric: Annotated[
        list[str] | None, typer.Option(help="A fabric; every one by default.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="The NADs'; else kubectl's.")] = "",
    resource: Annotated[
        list[str] | None,
        typer.Option(help="RAIL=PREFIX/NAME, where the node file does not say it."),
    ] = None,
    mtu: Annotated[int, typer.Option(min=1280, max=65535, help="Bytes.")] = 9000,
    cni_version: Annotated[str, typer.Option(help="Of the CNI specification.")] = "1.0.0",
    folder: Annotated[
        Path | None, typer.Option(help="Write a file for each NAD there; else to stdout.")
    ] = None,
) -> None:
    """Write a NAD for each rail of the node file, as YAML."""
    from cni.protocol.supported import SUPPORTED
    from install.nad.render import RenderError, Wishes, nads
    from install.nad.shape import is_namespace

    if cni_version not in SUPPORTED:
        raise typer.BadParameter(f"{cni_version!r}, expected one of {', '.join(SUPPORTED)}")
    if namespace and not is_namespace(namespace):
        raise typer.BadParameter(f"{namespace!r} is no name of a namespace")
    declared = _declared(node_file)
    if declared is None:
        _give_up(f"there is no {_path(node_file)}: it says which rails there are")
    chosen = _only(declared, fabric or [])
    wishes = Wishes(namespace, mtu, cni_version, _resources(resource or [], chosen))
    try:
        made = list(nads(chosen, wishes))
    except RenderError as error:
        _give_up(str(error))
    if not made:
        _give_up(f"{_path(node_file)} declares no rail")
    _put(made, folder)


def _put(made: Sequence[Rendered], folder: Path | None) -> None:
    if folder is None:
        typer.echo("---\n".join(one.text for one in made), nl=False)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in made:
            file = folder / f"{one.name}.yaml"
            write_atomically(file, one.text.encode(), _READABLE)
            say(str(file))
    except OSError as error:
        _give_up(f"{error.filename} cannot be written: {error.strerror}")


def _path(given: Path | None) -> Path:
    return given or Paths.of(os.environ).node_file


def _declared(given: Path | None) -> NodeFile | None:
    """Return the node file, None where none is named and this node has none."""
    from cni.host.toml.problems import located
    from ipam.node_file.reading import read

    path = _path(given)
    try:
        reading = read(path.read_bytes())
    except FileNotFoundError:
        if given:
            raise typer.BadParameter(f"{given} is not there") from None
        return None
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from None
    if reading.file is None:
        for problem in reading.errors:
            say(located(path, problem), err=True)
        _give_up(f"what is wrong with {path} comes first")
    return reading.file


def _only(declared: NodeFile, fabrics: Sequence[str]) -> NodeFile:
    for name in fabrics:
        if name not in declared.fabrics:
            known = ", ".join(declared.fabrics) or "none"
            raise typer.BadParameter(f"{name!r} is no fabric of the node file: {known}")
    kept = {name: entry for name, entry in declared.fabrics.items() if name in fabrics}
    return declared.model_copy(update={"fabrics": kept}) if fabrics else declared


def _resources(pairs: Sequence[str], declared: NodeFile) -> dict[str, str]:
    from ipam.node_file.model import RESOURCE

    rails = {rail for fabric in declared.fabrics.values() for rail in fabric.rails}
    found = {}
    for pair in pairs:
        rail, _, name = pair.partition("=")
        if rail not in rails or not RESOURCE.fullmatch(name):
            raise typer.BadParameter(
                f"{pair!r}, expected RAIL=PREFIX/NAME with one of {', '.join(sorted(rails))}"
            )
        found[rail] = name
    return found


def _source(name: str) -> Source:
    from install.nad.lint import Source

    try:
        content = sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()
        return Source("stdin" if name == _STDIN else name, content.decode("utf-8-sig"))
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{name} is not UTF-8, expected YAML") from None


def _row(one: Found) -> dict[str, object]:
    return {
        "severity": one.finding.severity.word,
        "check": one.finding.check,
        "file": one.file,
        "line": one.line,
        "nad": one.nad,
        "what": one.finding.what,
        "why": one.finding.why,
        "mend": list(one.finding.mend),
        "right": one.right,
    }


def _write(found: Sequence[Found], files: int) -> None:
    """Write findings as lines, and behind each NAD's last one the NAD that it should be."""
    last = {(one.file, one.right): number for number, one in enumerate(found) if one.right}
    for number, one in enumerate(found):
        word = one.finding.severity.word
        nad_name = f"{one.nad}: " if one.nad else ""
        level = typer.style(word, fg=_COLOURS[word])
        place = plain(f"{one.file}:{one.line}")
        typer.echo(f"{place}: {level}: {plain(nad_name + one.finding.what)}")
        say(f"{_INDENT}{one.finding.why}")
        for mend in one.finding.mend:
            say(f"{_INDENT}→ {mend}")
        if last.get((one.file, one.right)) == number:
            say(f"{_INDENT}the right {one.nad}:\n")
            say("\n".join(f"{_INDENT * 2}{line}" for line in one.right.splitlines()) + "\n")
    if not found:
        say(f"nothing is wrong with the NADs of {files} file{'s' if files > 1 else ''}")


def _give_up(message: str) -> NoReturn:
    say(f"railctl: {message}", err=True)
    raise typer.Exit(1)
