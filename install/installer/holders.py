"""Who on a node needs the programs still: their DEL is answered by nobody else."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from cni import wire
from cni.host.paths import Paths
from cni.protocol.errors import CniError
from cni.rail.attachment import Attachments

_PATIENCE = 1.0


def holders(paths: Paths) -> list[str]:
    """Return what is attached, in words; what cannot be read might be.

    Args:
        paths: the node's, as they are seen here.
    """
    rails = [record.holder for record in Attachments(paths.attachments).all()]
    unread = len(list(paths.attachments.glob("*.json"))) - len(rails)
    more = [f"{unread} records in {paths.attachments} that cannot be read"] if unread > 0 else []
    try:
        addresses = _addresses(paths)
    except (CniError, OSError) as error:
        addresses, more = [], [*more, f"whoever holds an address, which cannot be read: {error}"]
    return [*sorted({*rails, *addresses}), *more]


def _addresses(paths: Paths) -> list[str]:
    """Return who holds addresses of rail-ipam; a device's holder among them."""
    if not paths.journal.exists():
        return []
    from cni.host.locks import Locks
    from ipam.journal.file import open_journal

    with open_journal(paths.journal, Locks(paths.locks)) as journal, journal.rehearsal() as deal:
        attachments = [held.attachment for held in deal.all_held()]
    return [
        f"{at.ifname} of container {at.container_id} (network {at.network}), by its address"
        for at in attachments
    ]


def is_agent_running(state: Path) -> bool:
    """Tell whether an agent serves this node's plugins."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_PATIENCE)
        caller.connect(str(state / wire.SOCKET.decode()))
        return True
    return False
