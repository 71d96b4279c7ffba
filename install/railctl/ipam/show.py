"""`railctl ipam show`."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install.railctl.addresses import rows as journal_rows
from install.railctl.ipam.cluster import cluster, explained, progress, said, wiring
from install.railctl.ipam.rows import chosen, held, silent, whose
from install.railctl.output import Output, say, write

if TYPE_CHECKING:
    from ipam.ranges import Address
    from ipam.registry.overview import Overview
    from ipam.wiring import Wiring


def show(
    address: Annotated[str, typer.Argument(help="Show only whose this one is.")] = "",
    fabric: Annotated[str, typer.Option(help="Show only this fabric.")] = "",
    node: Annotated[str, typer.Option(help="Show only what this node holds.")] = "",
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show who holds which address of the cluster, and which nodes have no heartbeat."""
    from ipam.etcd.errors import UnavailableError

    wanted = _parse(address) if address else None
    with explained():
        here = wiring()
        try:
            with cluster(here) as joined, progress("reading the registry") as noted:
                overview = joined.overview(noted)
                document = _read(overview, wanted, fabric, node)
        except UnavailableError as error:
            document = _from_journal(here, wanted, said(error))
        _write(document, wanted, output)


def _parse(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}, expected an address like 10.60.4.210") from None


def _read(overview: Overview, wanted: Address | None, fabric: str, node: str) -> dict[str, Any]:
    census, fabrics = overview.census(), chosen(overview.fabrics(), fabric)
    found: dict[str, Any] = {"source": "etcd"}
    if wanted:
        found["address"] = whose(overview, fabrics, census, wanted)
    else:
        rows = [row for each in fabrics.values() for row in held(overview, each.definition, census)]
        found["addresses"] = [row for row in rows if not node or row["node"] == node]
        found["silent"] = silent(overview.blocks(fabric), census, node)
    found["unreadable"] = overview.unreadable
    return found | {"revision": overview.revision, "at": overview.read_at}


def _from_journal(here: Wiring, wanted: Address | None, problem: str) -> dict[str, Any]:
    """Return what this node's own journal knows, while the registry does not answer."""
    rows: list[dict[str, str]] = []
    if here.paths.journal.exists():
        with here.journal() as journal, journal.rehearsal() as tx:
            rows = list(journal_rows(tx))
    held_here = [row for row in rows if not wanted or str(wanted) in row["addresses"].split()]
    return {"source": "journal", "problem": problem, "addresses": held_here}


def _write(document: dict[str, Any], wanted: Address | None, output: Output) -> None:
    if output is Output.JSON:
        say(json.dumps(document))
        return
    if document["source"] == "journal":
        say(f"railctl: {document['problem']}", err=True)
        say("The registry does not answer: this is this node's own journal, nobody else's.")
        whom = wanted or "an address"
        empty = f"nobody holds {whom} on this node"
        write("addresses of this node", document["addresses"], output, empty=empty)
        return
    if wanted:
        row = document["address"]
        if "node" not in row:
            say(f"nobody holds {wanted}")
        for key, value in (row | {"owner": row["owner"] or "nobody"}).items():
            if value:
                say(f"{key:10} {value}")
    else:
        write("addresses of the cluster", document["addresses"], output, empty="nobody holds any")
        for row in document["silent"]:
            blocks = f"{row['blocks']} block{'' if row['blocks'] == '1' else 's'}"
            say(f"node {row['node']} has no heartbeat, and {blocks}")
    for problem in document["unreadable"]:
        say(f"unreadable: {problem}")
    say(f"as of revision {document['revision']}, {document['at']}")
