"""What each node's doctor has found: its agent tells it, with a lease, for who asks after all."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ipam.etcd.errors import LeaseGoneError
from ipam.etcd.interface import Compare, Etcd, Keys, Put, Target, Txn, value_is
from ipam.registry.records import Record

LEASE = 900
"""Seconds after the last telling at which a report is gone."""


class ReportedFinding(BaseModel):
    """One thing that is not as it should be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    severity: str
    check: str
    what: str
    mend: tuple[str, ...] = ()


class ReportRecord(Record):
    """`reports/NODE`."""

    node: str
    hardware: str
    version: str
    since: str
    """From when on it has been so."""
    counts: dict[str, int]
    """Of each severity, how many findings there are."""
    findings: tuple[ReportedFinding, ...] = ()
    """The worst."""


def tell(etcd: Etcd, key: str, value: bytes, lease: int, within: float) -> int:
    """Put a report, unless it stands there already; return the lease that it has now.

    Args:
        etcd: the store.
        key: of the report.
        value: the report.
        lease: what `tell` returned the last time, 0 for nothing.
        within: seconds that each of three calls may take.

    Raises:
        EtcdError: nobody knows whether it was heard; it may be told again.
    """
    if lease:
        try:
            etcd.keep_alive(lease, within)
        except LeaseGoneError:
            lease = 0
    lease = lease or etcd.grant(LEASE, within)
    stands = (value_is(key, value), Compare(Keys(key), Target.LEASE, lease))
    etcd.txn(Txn(stands, (), (Put(key, value, lease),)), within)
    return lease
