"""What is judged of names: no two machines may be one node, nor one machine two.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.registry.facts import Facts
from ipam.registry.records import NodeRecord

_RENAME = "give each machine its own name: node in the node file, or hostnamectl set-hostname"


def names(facts: Facts) -> Iterator[Finding]:
    """Say whether another machine uses this node's name, or this machine's identity."""
    if not facts.hardware:
        yield error(
            "identity",
            facts.hardware_problem,
            "nobody can tell this machine from another one, so no block is claimed",
            *filter(None, (facts.hardware_cure,)),
        )
        return
    if facts.read_problem:
        return
    found = [*_same_name(facts), *_same_machine(facts)]
    yield from found
    if not found:
        yield ok("node-name", f"this machine alone is node {facts.node} ({facts.hardware})")
    yield from _beats(facts)


def others(facts: Facts) -> Iterator[Finding]:
    """Say which other nodes share an identity, and which versions run."""
    by_hardware: dict[str, list[str]] = defaultdict(list)
    by_version: dict[str, list[str]] = defaultdict(list)
    for name, record in sorted(facts.heartbeats.items()):
        by_version[record.version].append(name)
        if record.hardware != facts.hardware:
            by_hardware[record.hardware].append(name)
    for hardware, nodes in by_hardware.items():
        if len(nodes) > 1:
            yield error(
                "identity",
                f"nodes {' and '.join(nodes)} have one identity: {hardware}",
                "they are two names of one machine, or machines whose DMI UUID was cloned: then a "
                "reboot of one frees what the other uses",
                "set nodeId in the node file of each to something of its own",
            )
    if len(by_version) > 1:
        told = "; ".join(f"{v}: {len(nodes)} nodes" for v, nodes in sorted(by_version.items()))
        yield info("versions", f"agents of several versions run: {told}")


def _same_name(facts: Facts) -> Iterator[Finding]:
    beat, known = facts.heartbeats.get(facts.node), facts.nodes.get(facts.node)
    if beat and beat.hardware != facts.hardware:
        yield error(
            "node-name",
            f"another machine is alive as node {facts.node}: {_who(beat)}",
            "one of both gets no block, and its pods no addresses, as soon as it has none left",
            _RENAME,
        )
    elif known and known.hardware != facts.hardware:
        yield warning(
            "node-name",
            f"etcd knows node {facts.node} as another machine, which is silent: {_who(known)}",
            "if that machine comes back, both have one name; if it was replaced by this one, its "
            "blocks are to be taken back",
            f"railctl ipam reclaim {facts.node}  # if it is gone for good",
            _RENAME,
        )


def _same_machine(facts: Facts) -> Iterator[Finding]:
    for name, record in sorted(facts.nodes.items()):
        if name == facts.node or record.hardware != facts.hardware:
            continue
        if name in facts.heartbeats:
            yield error(
                "identity",
                f"node {name} is alive, and has this machine's identity {facts.hardware}",
                "machines whose DMI UUID was cloned cannot be told apart: a reboot of one frees "
                "what the other uses",
                "set nodeId in the node file of each to something of its own",
            )
        else:
            yield info(
                "node-name",
                f"this machine was node {name} before, since {record.since}",
                "the blocks of that name are not its own any more",
                f"railctl ipam reclaim {name}",
            )


def _beats(facts: Facts) -> Iterator[Finding]:
    own = facts.heartbeats.get(facts.node)
    if own is None and facts.heartbeats:
        yield warning(
            "heartbeat",
            f"node {facts.node} has no heartbeat, and {len(facts.heartbeats)} others have",
            "it counts as silent: after a day its blocks may be reclaimed, if nobody finds them "
            "in use",
            "systemctl status rail-agent",
        )
    elif own and own.hardware == facts.hardware and own.boot != facts.boot:
        yield info("heartbeat", f"the heartbeat of {facts.node} is of its former boot")
    elif own and own.hardware == facts.hardware:
        yield ok("heartbeat", f"node {facts.node} has a heartbeat, since {own.since}")


def _who(record: NodeRecord) -> str:
    return f"{record.hardware}, boot {record.boot}, since {record.since}"
