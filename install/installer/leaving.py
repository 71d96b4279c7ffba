"""What is to be done on a node so that nothing of ours is left, told from what is found there."""

from __future__ import annotations

from collections.abc import Iterator

from install.installer.facts import Kind, Remains
from install.installer.layout import leads_to_a_bundle
from install.installer.steps import (
    DisableUnits,
    Forget,
    Plan,
    Stage,
    Step,
    TakeFile,
    TakeHome,
    TakeLink,
    Unchain,
    WithdrawRoutes,
)
from install.installer.units import AGENT

_LISTED = 10


def uninstall(found: Remains, *, force: bool) -> Plan:
    """Return what takes everything of ours away.

    The networks stop naming our programs first, so that no runtime looks for one that is gone.
    Whatever ends a pod needs goes last, and stays while there is such a pod: the programs, and the
    configuration by which they give addresses back.

    Args:
        found: what is there.
        force: although pods need the programs, or an agent runs.
    """
    stages: list[Stage] = [(Unchain(folder),) for folder in found.chained]
    if found.units and found.has_systemd:
        stages.append((DisableUnits(found.units),))
    reasons = list(_reasons_to_stay(found))
    if found.has_routes and not _keeps_running(found):
        stages.append((WithdrawRoutes(),))
    if reasons and not force:
        return Plan(tuple(stages), tuple(reasons))
    remarks = [
        f"{file.path} was changed since rail-install wrote it, and stays"
        for file in found.files
        if not file.is_as_written
    ]
    stages += [(TakeFile(each.path, each.before),) for each in found.files if each.is_as_written]
    stages.append((*_links(found), *map(TakeHome, found.layouts), Forget()))
    return Plan(tuple(stages), remarks=(*(reasons if force else ()), *remarks))


def _keeps_running(found: Remains) -> bool:
    """Tell whether an agent runs that will not have ended by then."""
    return found.is_agent_running and not (found.has_systemd and AGENT in found.units)


def _reasons_to_stay(found: Remains) -> Iterator[str]:
    if _keeps_running(found):
        yield (
            "rail-agent runs: end it first, so that it takes its direct paths back "
            "(kubectl --namespace railcni delete daemonset rail-agent, or systemctl disable --now "
            "rail-agent)"
        )
    if found.copies:
        yield (
            f"{', '.join(found.copies)} has rail-hostgw in delegates, copied when Multus started: "
            "no pod would start without the program. Restart Multus, so that it copies the "
            "network anew (kubectl --namespace kube-system rollout restart daemonset "
            "kube-multus-ds), and uninstall again"
        )
    for problem in found.unread:
        yield f"{problem}: whether a network there has rail-hostgw cannot be told"
    if found.holders:
        listed = "; ".join(found.holders[:_LISTED])
        more = len(found.holders) - _LISTED
        yield (
            f"{len(found.holders)} attachments need the programs until they end: {listed}"
            f"{f' and {more} more' if more > 0 else ''}: drain the node, or use --force"
        )


def _links(found: Remains) -> Iterator[Step]:
    for path, there in found.links.items():
        if there.kind is Kind.LINK and leads_to_a_bundle(there.target):
            yield TakeLink(path, found.before.get(path, ""))
