"""`railctl addresses`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from cni.host.locks import Locks
from cni.host.paths import Paths
from install.railctl.output import Output, write

if TYPE_CHECKING:
    from ipam.journal.transaction import Transaction


def addresses(
    address: Annotated[str, typer.Argument(help="Show only who holds this one.")] = "",
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show whose the addresses are that rail-ipam has given."""
    from ipam.journal.file import open_journal

    wanted = str(_parse(address)) if address else ""
    paths = Paths.of(os.environ)
    found: list[dict[str, str]] = []
    if paths.journal.exists():
        opened = open_journal(paths.journal, Locks(paths.locks))
        with opened as journal, journal.rehearsal() as transaction:
            found = list(rows(transaction))
    found = [row for row in found if not wanted or wanted in row["addresses"].split()]
    write(
        "addresses of rail-ipam", found, output,
        empty=f"nobody holds {wanted or 'an address'} on this node",
    )  # fmt: skip


def _parse(text: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}, expected an address like 10.60.4.210") from None


def rows(transaction: Transaction) -> Iterator[dict[str, str]]:
    """Return a row per attachment that holds a slot."""
    rails = transaction.rails()
    for held in transaction.all_held():
        holder = transaction.holder(held.fabric, held.slot)
        yield {
            "addresses": " ".join(
                str(each.ip) for each in rails[held.fabric][held.rail].addresses(held.slot)
            ),
            "rail": held.rail,
            "fabric": held.fabric,
            "slot": str(held.slot),
            "pod": str(holder.pod) if holder else "",
            "container": held.attachment.container_id,
            "interface": held.attachment.ifname,
        }
