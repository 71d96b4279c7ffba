"""What is judged of the way to etcd, and of what this node may do there.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.registry.facts import Facts

_SOON = timedelta(days=21)
_SLOW = 0.1
"""Seconds of a read, from which on an ADD that needs a block is noticed."""
_APART = 5.0
"""Seconds; a Date header has whole ones, and its answer takes its time."""


def endpoints(facts: Facts) -> Iterator[Finding]:
    """Say which of etcd's members answer."""
    silent = [one for one in facts.endpoints if one.problem]
    for one in facts.endpoints:
        if not one.problem:
            yield ok("etcd", f"{one.url} answers ({one.seconds * 1000:.0f} ms to connect)")
    for one in silent:
        words = f"{one.url} does not answer: {one.problem}"
        mend = (f"curl -v {one.url}/version", "endpoints in the node file")
        if len(silent) == len(facts.endpoints):
            why = "no block can be claimed: pods start as long as this node's own blocks have room"
            yield error("etcd", words, why, *mend)
        else:
            yield warning("etcd", words, "the others are asked; one more, and writes end", *mend)


def rights(facts: Facts) -> Iterator[Finding]:
    """Say whether this node can read and write its prefix, if there is anybody to say so."""
    if facts.read_problem and all(one.problem for one in facts.endpoints):
        return
    mend = (
        f"etcdctl role grant-permission ROLE --prefix=true readwrite {facts.prefix}",
        "userFile and passwordFile, or certificate, in the node file say who this node is",
    )
    if facts.read_problem:
        yield error(
            "etcd-rights",
            f"{facts.prefix} cannot be read: {facts.read_problem}",
            "no block can be claimed, and none confirmed after a boot",
            *mend,
        )
        return
    if facts.write_problem:
        yield error(
            "etcd-rights",
            f"{facts.prefix} cannot be written: {facts.write_problem}",
            "no block can be claimed, and none confirmed after a boot",
            *mend,
        )
    elif facts.write_problem is not None:
        yield ok("etcd-rights", f"this node may read and write {facts.prefix}")
    if facts.frozen:
        yield error(
            "etcd-frozen",
            f"no block may be claimed: {facts.frozen}",
            "etcd was restored from a backup, and may have forgotten who owns what",
            "railctl ipam accept-restore",
        )
    for words in facts.unreadable:
        yield error("etcd-foreign", words, "another program or version writes below this prefix")


def latency(facts: Facts) -> Iterator[Finding]:
    """Say how long a read takes."""
    if facts.seconds is not None and facts.seconds >= _SLOW:
        yield warning(
            "etcd-latency",
            f"a read of etcd takes {facts.seconds * 1000:.0f} ms, expected below {_SLOW * 1000:g}",
            "a pod that needs a new block waits for several of them",
            "etcdctl endpoint status --cluster -w table; etcd wants an SSD of its own",
        )
    elif facts.seconds is not None:
        yield ok("etcd-latency", f"a read of etcd takes {facts.seconds * 1000:.1f} ms")


def certificates(facts: Facts) -> Iterator[Finding]:
    """Say which certificate has expired, or will soon."""
    for one in facts.certificates:
        if one.ends is None:
            yield error(
                "certificate",
                f"{one.role} {one.file}: {one.problem}",
                "etcd is not reached without it",
                f"{one.role} in the node file",
            )
        else:
            yield _judged(facts.now, f"{one.role} {one.file}", one.ends)
    for server in facts.endpoints:
        if server.certificate_ends:
            yield _judged(facts.now, f"the certificate of {server.url}", server.certificate_ends)


def clocks(facts: Facts) -> Iterator[Finding]:
    """Say whether this node and etcd's members mean the same time."""
    apart = [one for one in facts.endpoints if one.offset and abs(one.offset) >= _APART]
    for one in apart:
        ahead = "ahead of" if (one.offset or 0) > 0 else "behind"
        yield warning(
            "etcd-clock",
            f"the clock of {one.url} is {abs(one.offset or 0):.0f} s {ahead} this node's",
            "one of them is wrong: certificates seem not yet valid or expired, logs do not match",
            "chronyc tracking  # here and there",
        )
    if not apart and any(one.offset is not None for one in facts.endpoints):
        yield ok("etcd-clock", "this node and etcd mean the same time")


def _judged(now: datetime, what: str, ends: datetime) -> Finding:
    day = f"{ends:%Y-%m-%d %H:%M} UTC"
    if ends <= now:
        return error(
            "certificate",
            f"{what} has expired on {day}",
            "etcd is not reached: pods start only while this node's blocks have room",
            "renew it: what replaces the files is read at once, nothing is restarted",
        )
    if ends - now < _SOON:
        return warning(
            "certificate",
            f"{what} expires in {(ends - now).days} days ({day})",
            "from then on etcd is not reached",
            "renew it: what replaces the files is read at once, nothing is restarted",
        )
    return info("certificate", f"{what} is valid until {day}")
