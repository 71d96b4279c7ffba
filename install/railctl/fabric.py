"""`railctl fabric`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from install.railctl.change import change
from install.railctl.output import Output, say, write

if TYPE_CHECKING:
    from cni.host.toml.problems import Problem
    from ipam.definition import Definition
    from ipam.node_file import NodeFile
    from ipam.node_file.reading import Reading

fabric = typer.Typer(no_args_is_help=True)
fabric.command()(change)

Row = dict[str, str]

_BLOCKS_PER_NODE = 2
"""One that a node gives from, and a spare one."""


@fabric.callback()
def _group() -> None:
    """Look at the fabrics of a cluster, and change them."""


@fabric.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The node file to look at.")],
    nodes: Annotated[
        int | None, typer.Option(min=1, help="How many nodes share the fabrics.")
    ] = None,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Say all that is wrong with a node file, and how many nodes its fabrics are enough for."""
    from ipam.node_file.reading import read

    try:
        reading = read(file.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    problems = list(_problems(reading, nodes))
    if output is Output.JSON:
        _write_json(file, reading, problems)
    else:
        _write_text(file, reading, problems)
    if reading.errors:
        raise typer.Exit(1)


def _problems(reading: Reading, nodes: int | None) -> Iterator[Row]:
    from cni.host.toml.problems import placed

    warnings = [*reading.warnings, *_too_small(reading.file, nodes)]
    for level, found in (("error", reading.errors), ("warning", placed(reading.text, warnings))):
        for problem in found:
            line = "" if problem.line is None else str(problem.line)
            yield {"level": level, "line": line, "message": str(problem)}


def _too_small(file: NodeFile | None, nodes: int | None) -> Iterator[Problem]:
    from cni.host.toml.problems import Problem

    for name, definition in file.definitions.items() if file and nodes else ():
        if file and nodes and file.is_shared(name) and _nodes(definition) < nodes:
            yield Problem(
                ("fabrics", name),
                f"has {_blocks(definition)} blocks, enough for {_nodes(definition)} nodes, "
                f"expected {_BLOCKS_PER_NODE} blocks for each of {nodes}: take wider subnets or a "
                f"smaller blockSize than {definition.block_size}",
            )


def _rows(node_file: NodeFile) -> Iterator[Row]:
    for name, definition in sorted(node_file.definitions.items()):
        shared = node_file.is_shared(name)
        yield {
            "fabric": name,
            "registry": "etcd" if shared else "local",
            "rails": ", ".join(rail.name for rail in definition.rails),
            "blocks": str(_blocks(definition)),
            "blockSize": str(definition.block_size),
            "usable": str(_count(definition)),
            "static": str(sum(run.last - run.first + 1 for run in definition.requestable)),
            "nodes": str(_nodes(definition)) if shared else "1",
        }


def _blocks(definition: Definition) -> int:
    return sum(run.last - run.first + 1 for run in definition.roomy_blocks)


def _count(definition: Definition) -> int:
    return sum(run.last - run.first + 1 for run in definition.usable)


def _nodes(definition: Definition) -> int:
    return _blocks(definition) // _BLOCKS_PER_NODE


def _write_text(file: Path, reading: Reading, problems: list[Row]) -> None:
    for problem in problems:
        line = f":{problem['line']}" if problem["line"] else ""
        level = "" if problem["level"] == "error" else "warning: "
        say(f"{file}{line}: {level}{problem['message']}", err=True)
    if reading.file:
        write(
            f"fabrics of {file}", list(_rows(reading.file)), Output.TEXT,
            empty=f"{file} declares no fabric",
        )  # fmt: skip


def _write_json(file: Path, reading: Reading, problems: list[Row]) -> None:
    import json

    fabrics = list(_rows(reading.file)) if reading.file else []
    say(json.dumps({"file": str(file), "problems": problems, "fabrics": fabrics}))
