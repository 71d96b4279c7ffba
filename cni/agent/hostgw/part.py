"""What the agent sees of its part in rail-hostgw: chores, figures, and a table of the peers."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cni.agent.hostgw import keys
from cni.agent.hostgw.air import Air
from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.path import State
from cni.agent.hostgw.peers import Peer
from cni.agent.hostgw.probe import Attached, Probe
from cni.agent.hostgw.prover import Prover
from cni.agent.hostgw.settings import HostgwSettings
from cni.agent.interface import Chore, Family
from cni.delegate.chain import read_chain
from cni.hostgw.node import Node
from cni.kernel.types import Network

log = logging.getLogger(__name__)

_LAST = 10.0
"""Seconds for each of the primary network's plugins to take our own pod back in the end."""
PROVING, ATTACHING = "hostgw", "hostgw-probe"


class HostgwPart:
    """Keeps the `Part` protocol.

    Args:
        node: the node.
        settings: what the operator has said; the mode is not `off`.
        path: folders of CNI_PATH.
        environ: what the primary network's plugins inherit.
    """

    def __init__(
        self,
        node: Node,
        settings: HostgwSettings,
        path: tuple[str, ...],
        environ: Mapping[str, str],
    ) -> None:
        self.waken: Callable[[str], None] = lambda _: None
        """Has a chore run now; the agent sets it."""
        self._is_given_away = False
        explicit = Path(settings.conflist) if settings.conflist else None
        chain = partial(read_chain, Path(settings.conflists), explicit)
        self._probe = Probe(node.kernel, chain, path, environ)
        self._prover = Prover(
            node, settings, partial(keys.load, Path(settings.key_file)), self._attached
        )  # fmt: skip
        self._air = Air(node, self._uplinks)

    @property
    def chores(self) -> Sequence[Chore]:
        """What is to be done from time to time."""
        return (
            Chore(PROVING, 0, self._prover.run, self._prover.interrupt),
            Chore(ATTACHING, 30, self._ensure_probe),
            Chore("hostgw-air", 30, self._air.look),
        )

    def pods_changed(self) -> None:
        """Take notice of a pod that has come or gone: what is amiss by now is put right."""
        self._prover.look_soon()

    def collected(self, network: str) -> None:
        """Take notice of a GC: of our own pod no runtime knows, so its address has been freed."""
        if network == self._probe.network:
            self._is_given_away = True
            self.waken(ATTACHING)

    def figures(self) -> Iterator[Family]:
        """Tell what is now."""
        peers = list(self._prover.peers.all.values())
        states = Counter(peer.path.state for peer in peers)
        states[State.OVERLAY] += len(self._prover.peers.reasons)
        yield Family.of(
            "hostgw_paths", "Peers, by the state of their path.",
            {(state.value,): states[state] for state in State}, "state",
        )  # fmt: skip
        yield self._of_switches()
        yield from self._of_ways(peers)
        yield from self._air.figures()
        yield Family.of(
            "hostgw_refused_messages", "Messages that were not taken.",
            {(why,): n for why, n in self._prover.post.refused.items()}, "why", kind="counter",
        )  # fmt: skip
        yield Family.of(
            "hostgw_healed", "What another program had removed, and was put back.",
            {(): self._prover.keeper.healed}, kind="counter",
        )  # fmt: skip
        yield Family.of(
            "hostgw_impaired", "1 while no path can be proven, or none used that is.",
            {(): int(bool(self.impairments()))},
        )  # fmt: skip

    def impairments(self) -> list[str]:
        """Return why no path can be proven, or none used that is, in words."""
        return [*self._prover.impairments, *filter(None, (self._probe.problem,))]

    def problems(self) -> Sequence[str]:
        """Return nothing: whatever ails the direct paths, pods start, and reach each other."""
        return ()

    def page(self) -> bytes:
        """Return the peers and their paths as JSON: what `railctl peers` shows."""
        now = self._prover.now()
        known = sorted(self._prover.peers.all.values(), key=lambda peer: _place(peer.cidr))
        peers = [self._row(peer, now) for peer in known]
        others = [
            {"peer": str(cidr), "state": State.OVERLAY.value, "why": why}
            for cidr, why in sorted(
                self._prover.peers.reasons.items(), key=lambda one: _place(one[0])
            )
        ]
        document = {
            "mode": self._prover.mode,
            "impairments": self.impairments(),
            "radios": {name: asdict(radio) for name, radio in self._air.radios.items()},
            "peers": peers + others,
        }  # fmt: skip
        return json.dumps(document).encode()

    def close(self) -> None:
        """Take everything back, and say goodbye."""
        try:
            self._prover.close()
        finally:
            self._probe.detach(_LAST)

    def _uplinks(self) -> set[str]:
        return {each.uplink.name for each in self._prover.prospect.candidates}

    def _attached(self) -> tuple[Attached | None, str]:
        return self._probe.attached, self._probe.problem

    def _ensure_probe(self) -> None:
        before = self._probe.attached
        if self._is_given_away:
            self._is_given_away = False
            self._probe.detach()
        try:
            self._probe.ensure()
        finally:
            if self._probe.attached is not before:
                self._prover.look_soon()

    def _of_switches(self) -> Family:
        switches = dict(self._prover.switches)
        known = {*tuple(self._prover.peers.all), *(cidr for cidr, _ in switches)}
        # Each from 0 on: Prometheus takes no first value for an increase.
        values: dict[tuple[str, ...], float] = {
            (str(cidr), state.value): switches.get((cidr, state), 0)
            for cidr in known for state in State
        }  # fmt: skip
        text = "Changes of a path's state."
        return Family.of("hostgw_switches", text, values, "peer", "to", kind="counter")

    def _of_ways(self, peers: Sequence[Peer]) -> Iterator[Family]:
        rtts: dict[tuple[str, ...], float] = {}
        losses: dict[tuple[str, ...], float] = {}
        for peer in peers:
            for way, measured in peer.talk.measured.items():
                figures, labels = measured.figures(), (str(peer.cidr), way.name.lower())
                if figures.rtt is not None:
                    rtts[labels] = figures.rtt
                if figures.loss is not None:
                    losses[labels] = figures.loss
        yield Family.of(
            "hostgw_rtt_seconds", "Mean round-trip time of the last requests.", rtts, "peer", "way"
        )
        yield Family.of(
            "hostgw_loss_ratio", "Share of the last requests that nobody answered.", losses,
            "peer", "way",
        )  # fmt: skip

    def _row(self, peer: Peer, now: float) -> dict[str, Any]:
        word = peer.word(now)
        return {
            "peer": str(peer.cidr),
            "node": str(peer.talk.peer),
            "device": peer.candidate.uplink.name,
            "uplink": "" if word is None else "wireless" if word.wireless else "wired",
            "mode": word.mode if word else "",
            "version": word.version if word else "",
            "state": peer.path.state.value,
            "why": peer.path.why,
            "seconds": round(now - peer.path.since, 1),
            "ways": {way.name.lower(): _measured(peer, way) for way in Way},
        }


def _place(cidr: Network) -> tuple[int, int]:
    """Return where a network is in a table: 10.42.2.0 before 10.42.10.0."""
    return cidr.version, int(cidr.network_address)


def _measured(peer: Peer, way: Way) -> dict[str, float | None]:
    figures = peer.talk.measured[way].figures()
    return {"rttSeconds": figures.rtt, "jitterSeconds": figures.jitter, "loss": figures.loss}
