"""rail-ipam's figures, and what in them keeps pods from getting an address.  Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cni.agent.interface import Family
from ipam.agent.measured import Meter
from ipam.agent.stock import Stock, Survey
from ipam.blocks import State


def of_journal(survey: Survey | None) -> Iterator[Family]:
    """Yield what the journal tells, None: that it cannot be read."""
    yield Family.of("journal_up", "Whether the journal can be read.", {(): float(bool(survey))})
    if survey is None:
        return
    slots: dict[tuple[str, ...], float] = {}
    blocks: dict[tuple[str, ...], float] = {}
    for stock in survey.stocks:
        for state, count in _slots(stock).items():
            slots[stock.fabric, state] = count
        for one in State:
            blocks[stock.fabric, one.value] = stock.blocks.get(one, 0)
    yield Family.of("slots", "Slots of this node's blocks.", slots, "fabric", "state")
    yield Family.of("blocks", "Blocks of this node.", blocks, "fabric", "state")
    yield Family.of(
        "fabric_blocks",
        "Blocks that all nodes together may have of a fabric that they share.",
        {(stock.fabric,): stock.all_blocks for stock in survey.stocks if stock.all_blocks},
        "fabric",
    )
    yield Family.of(
        "outbox_entries", "Slots that the registry is still to be told of.", {(): survey.outbox}
    )


def of_etcd(meter: Meter) -> Iterator[Family]:
    """Yield how etcd answers; nothing before it was first asked."""
    if meter.is_up is None:
        return
    calls: dict[tuple[str, ...], float] = {(kind,): count for kind, count in meter.calls.items()}
    yield Family.of("etcd_up", "Whether etcd answered the last request.", {(): meter.is_up})
    yield Family.of("etcd_requests", "Requests to etcd.", calls, "outcome", kind="counter")
    yield Family.of(
        "etcd_request_seconds",
        "Seconds that all requests to etcd took together.",
        {(): meter.seconds},
        kind="counter",
    )


def of_leaks(freed: int) -> Family:
    """Return how many attachments were freed whose DEL never came."""
    return Family.of(
        "claims_reclaimed",
        "Attachments whose addresses were freed because their network namespace is gone.",
        {(): freed},
        kind="counter",
    )


def shortages(survey: Survey | None, *, etcd_is_up: bool | None) -> list[str]:
    """Return for which fabrics no pod gets an address, and why."""
    if survey is None:
        return ["the journal of addresses cannot be read: railctl ipam verify"]
    found = []
    for stock in survey.stocks:
        if stock.free or stock.quarantined:
            continue
        if not stock.shared:
            # One without blocks has not been used yet: the next request makes them.
            if stock.blocks:
                found.append(f"fabric {stock.fabric} is full: {stock.held} slots are held")
        elif etcd_is_up is False:
            found.append(
                f"fabric {stock.fabric} has no free slot on this node, and etcd, which could give "
                "it another block, does not answer"
            )
    return found


def _slots(stock: Stock) -> Mapping[str, int]:
    return {"held": stock.held, "free": stock.free, "quarantined": stock.quarantined}
