"""A node's sign of life: a key that ends by itself when nobody keeps it alive."""

from __future__ import annotations

from cni import __version__
from ipam.etcd.errors import LeaseGoneError
from ipam.etcd.interface import Etcd, Get, Keys, Put, Txn, modified_at
from ipam.registry.interface import DisagreementError, Node
from ipam.registry.keys import Layout
from ipam.registry.membership import same_session
from ipam.registry.records import NodeRecord, now

LEASE = 30
"""Seconds after the last beat at which a node counts as silent."""


class Heartbeat:
    """The heartbeat of one session, beaten by whoever stays: the node's agent.

    Args:
        etcd: the store.
        layout: its keys.
        node: who lives.
    """

    def __init__(self, etcd: Etcd, layout: Layout, node: Node) -> None:
        self._etcd = etcd
        self._key = layout.heartbeat(node.name)
        self._node = node
        self._lease = 0

    def beat(self, within: float) -> None:
        """Say that the node lives, for `LEASE` seconds from now; call it every third of that.

        Args:
            within: seconds that it may take.

        Raises:
            DisagreementError: another session beats under this node's name.
            EtcdError: nobody knows whether it was heard.
        """
        if self._lease:
            try:
                self._etcd.keep_alive(self._lease, within)
                # Another agent of this session may have had the key since, and taken it along.
                if self._etcd.get(Get(Keys(self._key)), within).found.entries:
                    return
            except LeaseGoneError:
                pass
            self._lease = 0
        self._begin(within)

    def end(self, within: float) -> None:
        """Say that the node stops; what it holds stays its own."""
        if self._lease:
            self._etcd.revoke(self._lease, within)
            self._lease = 0

    def _begin(self, within: float) -> None:
        found = self._etcd.get(Get(Keys(self._key)), within).found
        entry = found.entries[0] if found.entries else None
        if entry:
            self._refuse_other(NodeRecord.decode(self._key, entry.value))
        lease = self._etcd.grant(LEASE, within)
        node = self._node
        record = NodeRecord(
            node=node.name,
            hardware=node.hardware,
            boot=node.boot_id,
            journal=node.journal_id,
            version=__version__,
            since=now(),
        )
        guard = modified_at(self._key, entry.mod_revision if entry else 0)
        put, look = Put(self._key, record.encode(), lease), Get(Keys(self._key))
        done = self._etcd.txn(Txn((guard,), (put,), (look,)), within).done
        if not done.succeeded:
            self._etcd.revoke(lease, within)
            raise DisagreementError(
                f"another session has begun to beat as node {node.name}",
                "give each machine its own name (node in the node file)",
            )
        self._lease = lease

    def _refuse_other(self, record: NodeRecord) -> None:
        if not same_session(self._node, record):
            raise DisagreementError(
                f"another session beats as node {record.node}: hardware {record.hardware}, boot "
                f"{record.boot}, since {record.since}",
                f"after a reboot it ends by itself within {LEASE} s; if it is another machine, "
                "give each its own name (node in the node file)",
            )
