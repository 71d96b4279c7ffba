"""`railctl ipam verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from cni.rail.attachment import Attachments, Record
from install.railctl.ipam import local as journals
from install.railctl.ipam import namespaces
from install.railctl.ipam.audit import audit
from install.railctl.ipam.cluster import cluster, explained, progress, wiring
from install.railctl.ipam.differences import Difference, with_kernel, with_registry
from install.railctl.output import Output, say

if TYPE_CHECKING:
    from install.railctl.ipam.cluster import Cluster
    from install.railctl.ipam.local import Local, Slot
    from ipam.journal.file import Journal
    from ipam.wiring import Wiring

_YOUNG = 60 * 10**9
"""Nanoseconds that an ADD may take until its pod has the address."""


def verify(
    everything: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--all", help="Look through the whole registry, not at this node.")
    ] = False,
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict", help="Count what the registry is still to be told.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Hold this node's journal, the registry and the kernel against each other."""
    with explained():
        found = list(_whole_registry() if everything else _this_node())
    wrong = [one for one in found if strict or not one.pending]
    if output is Output.JSON:
        rows = [{"what": o.what, "advice": o.advice, "pending": o.pending} for o in found]
        say(json.dumps(rows))
    else:
        for one in found:
            say(f"{'pending: ' if one.pending else ''}{one.what} ({one.advice})")
        if not wrong:
            say("no difference")
    if wrong:
        raise typer.Exit(1)


def _whole_registry() -> Iterator[Difference]:
    with cluster(wiring()) as joined, progress("reading the registry") as noted:
        overview = joined.overview(noted)
        definitions = {name: one.definition for name, one in overview.fabrics().items()}
        overview.census()
        overview.sticky()
        overview.answers()
        blocks, claims, singles = overview.blocks(), overview.claims(), overview.singles()
    yield from audit(definitions, blocks, claims, singles, overview.unreadable)


def _this_node() -> Iterator[Difference]:
    from ipam.etcd.errors import EtcdError

    here = wiring()
    before = _read(here)
    with progress("looking into the network namespaces") as noted:
        view = namespaces.look(namespaces.running_kernel(), noted)
    now = here.now()
    records = [one for one in _records(here) if one.boot_id == now.boot_id and not one.released]
    local = _read(here).since(before)
    yield from with_kernel(local, view, records, _young(local, here))
    if local.shared and here.node_file is not None and here.node_file.etcd is not None:
        try:
            with cluster(here) as joined:
                yield from _registry(joined, here, local)
        except EtcdError as error:
            advice = "see that etcd answers, and look again"
            yield Difference(f"the registry was not looked at: {error}", advice)


def _registry(joined: Cluster, here: Wiring, before: Local) -> Iterator[Difference]:
    overview = joined.overview()
    blocks = {(one.fabric, one.slot): one for one in overview.blocks()}
    claims = {
        (one.fabric, one.slot): one
        for tenure in before.tenures
        for one in overview.claims(tenure.block.fabric, tenure.block.span)
    }
    singles = {(one.fabric, one.slot): one for one in overview.singles()}
    local = _read(here).since(before)
    yield from with_registry(local, joined.file.node, blocks, claims, singles)
    for problem in overview.unreadable:
        yield Difference(problem, "see railctl ipam verify --all")


def _read(here: Wiring) -> Local:
    with _journal(here) as journal, journal.rehearsal() as tx:
        return journals.read(tx)


def _journal(here: Wiring) -> AbstractContextManager[Journal]:
    from ipam.journal.file import imagined

    return here.journal() if here.paths.journal.exists() else imagined()


def _records(here: Wiring) -> list[Record]:
    return Attachments(here.paths.attachments).all()


def _young(local: Local, here: Wiring) -> frozenset[Slot]:
    now = here.now()
    return frozenset(
        at
        for at, claim in local.claims.items()
        if claim.since.boot_id == now.boot_id and now.ns - claim.since.ns < _YOUNG
    )
