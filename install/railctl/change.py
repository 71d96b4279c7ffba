"""`railctl fabric change`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from install.railctl.ipam.cluster import RefusedError, cluster, confirm, explained, wiring
from install.railctl.output import Output, say

if TYPE_CHECKING:
    from ipam.definition import Definition
    from ipam.node_file import NodeFile
    from ipam.registry.overview import StoredFabric

Row = dict[str, str]
_WORD = "change"
_NOW = (
    "Now give every node this file.  A node that still has its old one goes on with the blocks "
    "that it has, and claims no new ones until then."
)
_WIDER = (
    "Pods that run keep their subnets as they are: they reach addresses in the new part of a "
    "widened rail only by a route (prefixes) until they are restarted."
)


def change(
    file: Annotated[Path, typer.Argument(help="The next node file.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Change fabrics in the registry to what a node file says, while pods use them.

    A fabric can grow: wider subnets with the same network address, more rails, more static ranges.
    Slots are taken out of blocks only where no node owns them.
    """
    from ipam.registry.operator import withheld_blocks

    with explained(), cluster(wiring()) as joined:
        after = _shared(_load(file), joined.layout.prefix, file)
        stored = joined.overview().fabrics()
        changes = [
            (before, after[name])
            for name, before in sorted(stored.items())
            if name in after and after[name] != before.definition
        ]
        rows = [row for before, definition in changes for row in _rows(before, definition)]
        if output is Output.TEXT:
            _say(rows, sorted(after.keys() - stored.keys()))
        _refuse_forbidden(changes)
        if changes:
            confirm(f"{len(rows)} values change for all nodes.", _WORD, yes=yes)
        for before, definition in changes:
            revision = joined.operator().change(before, definition)
            if output is Output.TEXT:
                runs = len(withheld_blocks(before.definition, definition))
                proven = (
                    f"; nobody owned a block in the {runs} runs that lose slots" if runs else ""
                )
                say(f"fabric {definition.name} is changed, at revision {revision}{proven}")
    if output is Output.JSON:
        say(json.dumps(rows))
    elif changes:
        say(_NOW)
        if any(row["key"].startswith("rails.") and row["before"] for row in rows):
            say(_WIDER)


def _load(file: Path) -> NodeFile:
    from ipam.node_file.reading import read

    try:
        reading = read(file.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    if reading.file is None:
        raise RefusedError(f"{file} has errors: railctl fabric check {file}")
    return reading.file


def _shared(file: NodeFile, prefix: str, path: Path) -> dict[str, Definition]:
    """Return a file's shared fabrics (RefusedError when it is for another registry)."""
    if file.etcd is None or file.etcd.prefix != prefix:
        theirs = file.etcd.prefix if file.etcd else "no [etcd]"
        raise RefusedError(
            f"{path} has {theirs}, and this node's file has prefix {prefix}: expected the same "
            "registry"
        )
    return {n: each for n, each in file.definitions.items() if file.is_shared(n)}


def _refuse_forbidden(changes: list[tuple[StoredFabric, Definition]]) -> None:
    from ipam.agreement import change_problems

    problems = [
        f"fabric {after.name}: {problem}"
        for before, after in changes
        for problem in change_problems(before.definition, after)
    ]
    if problems:
        raise RefusedError("; ".join(problems))


def _rows(before: StoredFabric, after: Definition) -> Iterator[Row]:
    """Yield each key that changes, with both values."""
    former, later = _flat(before.definition), _flat(after)
    for key in sorted(former.keys() | later.keys()):
        if former.get(key) != later.get(key):
            yield {
                "fabric": after.name,
                "key": key,
                "before": former.get(key, ""),
                "after": later.get(key, ""),
            }


def _flat(definition: Definition) -> dict[str, str]:
    document = definition.to_json()
    rails = {f"rails.{name}": subnets for name, subnets in document.pop("rails").items()}
    return {
        key: ", ".join(value) if isinstance(value, list) else str(value)
        for key, value in (document | rails).items()
    }


def _say(rows: list[Row], unknown: list[str]) -> None:
    for row in rows:
        before, after = row["before"] or "nothing", row["after"] or "nothing"
        say(f"{row['fabric']}.{row['key']}: {before} → {after}")
    for name in unknown:
        say(f"{name}: not in the registry yet; the first node that needs a block writes it")
    if not rows:
        say("the registry has these fabrics as they are in the file: nothing to change")
