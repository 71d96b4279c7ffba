"""Which pod of a job is which rank.

Sources: Kubernetes, Indexed Jobs and StatefulSets (their labels and pod names); Kubeflow's training
operator (`-master-0` is rank 0, `-worker-0` the one after).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

from install.job.annotations import STATUS
from install.job.errors import JobError, NotYetError
from install.job.status import Attached, rails, read
from ipam.ranges import Address

_INDEX_LABELS = (
    "batch.kubernetes.io/job-completion-index",
    "apps.kubernetes.io/pod-index",
    "training.kubeflow.org/replica-index",
)
_NAME = re.compile(r"(?P<stem>.+?)-(?P<index>\d+)(?:-[a-z0-9]{5})?")
"""`train-3` of a StatefulSet, `train-3-x8k2p` of a Job."""
_FIRST = ("-master", "-chief")
_DEAD = frozenset({"Failed", "Succeeded"})
_GPU = "/gpu"


@dataclass(frozen=True, slots=True)
class Rank:
    """One pod of a job."""

    number: int
    pod: str
    rails: tuple[Attached, ...]
    """The rails that are meant, one at least, each with an address."""
    gpus: int
    """How many it asks for."""

    @property
    def address(self) -> Address:
        """The one that others reach it by: the first rail's."""
        return self.rails[0].addresses[0]


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """What pods are ordered by."""

    role: int
    stem: str
    index: int


def ranks(
    pods: Iterable[Mapping[str, Any]], patterns: Sequence[str], count: int | None
) -> tuple[Rank, ...]:
    """Return a job's pods in the order of their ranks.

    Args:
        pods: as the API server has them; what has ended or is being deleted does not count.
        patterns: which rails are meant; none for all.
        count: how many ranks there are; None for as many as pods.

    Raises:
        NotYetError: a rank, or what its rails are, is still to come.
        JobError: they are not the pods of one job.
    """
    alive = ((_place(pod), _name(pod), pod) for pod in pods if _lives(pod))
    placed = sorted(alive, key=itemgetter(0, 1))
    _refuse_others([place for place, _, _ in placed])
    for (one, name, _), (other, twin, _) in pairwise(placed):
        if one == other:
            raise NotYetError(f"{name} and {twin} are both number {one.index}")
    _await_gaps([place for place, _, _ in placed])
    if not placed or (count is not None and len(placed) < count):
        raise NotYetError(f"{len(placed)} of {count or 'the'} ranks are there")
    if count is not None and len(placed) > count:
        raise JobError(f"there are {len(placed)} pods, expected {count}: {_listed(placed)}")
    found = tuple(
        Rank(number, name, _rails(pod, name, patterns), _gpus(pod))
        for number, (_, name, pod) in enumerate(placed)
    )
    _refuse_several_networks(found)
    return found


def number_of(found: Sequence[Rank], pod: str) -> int:
    """Return a pod's rank (JobError: it is none of the job's)."""
    for rank in found:
        if rank.pod == pod:
            return rank.number
    names = ", ".join(rank.pod for rank in found)
    raise JobError(f"{pod!r} is no pod of the job, which has {names}: name it with --pod")


def _name(pod: Mapping[str, Any]) -> str:
    return str(_keys(pod, "metadata").get("name", ""))


def _lives(pod: Mapping[str, Any]) -> bool:
    ends = _keys(pod, "metadata").get("deletionTimestamp")
    return not ends and _keys(pod, "status").get("phase") not in _DEAD


def _place(pod: Mapping[str, Any]) -> _Place:
    name = _name(pod)
    metadata = _keys(pod, "metadata")
    told = {**_keys(metadata, "annotations"), **_keys(metadata, "labels")}
    match = _NAME.fullmatch(name)
    index = next((str(told[key]) for key in _INDEX_LABELS if key in told), "")
    if index.isdecimal():
        # The name up to the number that the label says; a pod may have any name.
        stem = re.sub(rf"-{index}(-[a-z0-9]{{5}})?$", "", name)
    elif match:
        stem, index = match["stem"], match["index"]
    else:
        raise JobError(
            f"the pod's name, {name!r}, has no number, expected one such as train-0 or "
            "train-0-x8k2p: choose the workers with --selector"
        )
    return _Place(0 if stem.endswith(_FIRST) else 1, stem, int(index))


def _refuse_others(places: Sequence[_Place]) -> None:
    for role in (0, 1):
        stems = sorted({place.stem for place in places if place.role == role})
        if len(stems) > 1:
            raise JobError(
                f"the pods are of several jobs ({', '.join(stems)}): choose one's with --selector"
            )


def _refuse_several_networks(found: Sequence[Rank]) -> None:
    """Refuse ranks whose first rails are different ones: they may not reach each other."""
    networks = sorted({rank.rails[0].network for rank in found})
    if len(networks) > 1:
        raise JobError(
            f"the ranks' first rails are {' and '.join(networks)}: name one with --network"
        )


def _await_gaps(places: Sequence[_Place]) -> None:
    for role in (0, 1):
        members = [place for place in places if place.role == role]
        for number, place in enumerate(members):
            if place.index != number:
                raise NotYetError(f"{place.stem}-{number} is not there")


def _rails(pod: Mapping[str, Any], name: str, patterns: Sequence[str]) -> tuple[Attached, ...]:
    annotations = _keys(_keys(pod, "metadata"), "annotations")
    text = annotations.get(STATUS)
    if not text:
        raise NotYetError(f"{name} has no annotation {STATUS}")
    try:
        found = rails(read(str(text)), patterns)
    except NotYetError as reason:
        raise NotYetError(f"{name}: {reason}") from None
    except JobError as reason:
        raise JobError(f"{name}: {reason}") from None
    for rail in found:
        if not rail.addresses:
            raise NotYetError(f"{name} has no address on {rail.ifname} ({rail.network})")
    return found


def _gpus(pod: Mapping[str, Any]) -> int:
    containers = _keys(pod, "spec").get("containers")
    limits = [
        _keys(_keys(one, "resources"), "limits")
        for one in (containers if isinstance(containers, list) else [])
    ]
    amounts = (str(value) for each in limits for key, value in each.items() if key.endswith(_GPU))
    return sum(int(amount) for amount in amounts if amount.isdecimal())


def _listed(placed: Iterable[tuple[_Place, str, Any]]) -> str:
    return ", ".join(name for _, name, _ in placed)


def _keys(document: object, key: str) -> dict[str, Any]:
    value = document.get(key) if isinstance(document, Mapping) else None
    return value if isinstance(value, dict) else {}
