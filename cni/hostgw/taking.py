"""The steps, taken on the host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from cni.hostgw import filtering
from cni.hostgw.decision import Change, Step
from cni.kernel.interface import Namespace
from cni.kernel.rule_messages import words as rule_words
from cni.kernel.types import KernelError, Route

log = logging.getLogger(__name__)


def words(step: Step) -> str:
    """Return what a step means where a route alone makes a direct path."""
    what, coming = step.what, step.change is Change.ADD
    if isinstance(what, Route):
        way = "goes straight to" if coming else "takes the overlay again, not"
        return f"{what.dst} {way} {what.gateway}"
    return f"the rule {rule_words(what)} is {'there' if coming else 'gone'}"


def take(host: Namespace, steps: Collection[Step], words: Callable[[Step], str] = words) -> None:
    """Take all steps, those after a refused one as well.

    Args:
        host: where.
        steps: the steps.
        words: say what a step means, for the log.

    Raises:
        KernelError: the first that was refused; its notes are the others.
    """
    coming = {s.what for s in steps if s.change is Change.ADD and isinstance(s.what, Route)}
    if coming:
        for obstacle in filtering.obstacles(host, {route.dst.version for route in coming}):
            log.warning("%s", obstacle)
    refused: list[KernelError] = []
    for step in steps:
        try:
            _verb(host, step)()
        except KernelError as error:
            refused.append(error)
        else:
            log.info("%s", words(step))
    if refused:
        for another in refused[1:]:
            refused[0].add_note(str(another))
        raise refused[0]


def _verb(host: Namespace, step: Step) -> Callable[[], None]:
    what, coming = step.what, step.change is Change.ADD
    if isinstance(what, Route):
        return lambda: host.add_route(what) if coming else host.remove_route(what)
    return lambda: host.add_rule(what) if coming else host.remove_rule(what)
