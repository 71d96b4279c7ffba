"""Proof that a node is next door: it answers on layer 2, now."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby

from cni.hostgw.terrain import Candidate
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError

log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds that all peers together get to answer."""


def prove(host: Namespace, candidates: Collection[Candidate]) -> list[Candidate]:
    """Return those whose node answers; all are asked at the same time."""
    by_uplink = sorted(candidates, key=_uplink)
    groups = [list(group) for _, group in groupby(by_uplink, _uplink)]
    if len(groups) <= 1:
        return [one for group in groups for one in _prove(host, group)]
    with ThreadPoolExecutor(len(groups)) as pool:
        return [one for proven in pool.map(partial(_prove, host), groups) for one in proven]


def _prove(host: Namespace, near: Collection[Candidate]) -> list[Candidate]:
    """Return those of one uplink."""
    (index,) = {one.uplink.index for one in near}
    try:
        answers = host.solicit(index, {one.peer.address: one.source for one in near}, PATIENCE)
    except KernelError as error:
        log.warning("nobody can be asked: %s", error)
        return []
    for one in near:
        if one.peer.address not in answers:
            log.info("%s takes the overlay: its node %s is silent", one.peer.cidr, one.peer.address)
    return [one for one in near if one.peer.address in answers]


def _uplink(one: Candidate) -> int:
    return one.uplink.index
